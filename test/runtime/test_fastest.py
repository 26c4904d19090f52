# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The choice of an engine, with scripted engines and a scripted clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gain_ros.errors import EngineUnavailable, GoldenMismatch
from gain_ros.runtime import fastest

MACHINE = {"model": "abc", "machine": {"cpu": "toy"}}


class Bench:
    """Engines that take a scripted number of milliseconds on a clock of their own."""

    def __init__(self, **takes_ms: float | Exception):
        self.takes_ms = takes_ms
        self.now_s = 0.0
        self.log: list[str] = []

    def open_one(self, name: str) -> str:
        self.log.append(f"open {name}")
        if isinstance(self.takes_ms[name], Exception):
            raise self.takes_ms[name]
        return name

    def run(self, name: str) -> None:
        self.log.append(f"run {name}")
        self.now_s += self.takes_ms[name] / 1e3

    def close(self, name: str) -> None:
        self.log.append(f"close {name}")

    def choose(self, identity: dict = MACHINE) -> tuple[str, str]:
        self.log.clear()
        return fastest.choose(list(self.takes_ms), identity, self.open_one, self.run, self.close, lambda: self.now_s)

    def runs(self, name: str) -> int:
        return self.log.count(f"run {name}")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gain_ros" / "auto.json"


def test_the_fastest_is_taken_and_the_others_are_closed() -> None:
    bench = Bench(torch=14.0, onnxruntime=12.0, openvino=9.5)
    opened, reason = bench.choose()
    assert opened == "openvino"
    assert reason.startswith("openvino 9.5 ms, onnxruntime 12.0 ms, torch 14.0 ms (measured 20")
    assert "cached" not in reason
    assert {line for line in bench.log if line.startswith("close")} == {"close torch", "close onnxruntime"}


def test_engines_take_turns() -> None:
    bench = Bench(a=10.0, b=12.0)
    bench.choose()
    assert bench.log[2:8] == ["run a", "run b"] * 3


def test_a_hopeless_engine_is_run_once() -> None:
    bench = Bench(a=10.0, slow=500.0)
    assert bench.choose()[0] == "a"
    assert bench.runs("slow") == 1
    assert bench.runs("a") >= fastest.FEWEST_ROUNDS


def test_slow_models_are_measured_few_times() -> None:
    bench = Bench(a=400.0, b=500.0)
    bench.choose()
    assert bench.runs("a") == bench.runs("b") == fastest.FEWEST_ROUNDS


def test_one_disturbed_run_does_not_decide() -> None:
    bench = Bench(a=10.0, b=12.0)
    steady = bench.run

    def disturbed(name: str) -> None:
        steady(name)
        if bench.log.count("run a") == 2 and name == "a":
            bench.now_s += 0.1

    bench.run = disturbed
    assert bench.choose()[0] == "a"


def test_the_second_start_measures_nothing() -> None:
    bench = Bench(a=10.0, b=8.0)
    _, reason = bench.choose()
    assert bench.choose() == ("b", reason.replace(")", ", cached)"))
    assert bench.log == ["open b"]


def test_another_machine_or_model_is_measured_anew() -> None:
    bench = Bench(a=10.0, b=8.0)
    bench.choose()
    assert "cached" not in bench.choose({**MACHINE, "model": "def"})[1]
    assert "cached" not in bench.choose({**MACHINE, "machine": {"cpu": "other"}})[1]
    assert "cached" in bench.choose()[1]


def test_engines_that_refuse_are_left_out_with_their_reason() -> None:
    bench = Bench(a=EngineUnavailable("no library"), b=8.0, c=GoldenMismatch("wrong pixels"))
    for _ in range(2):
        opened, reason = bench.choose()
        assert opened == "b"
        assert "a left out: no library" in reason
        assert "c left out: wrong pixels" in reason
    assert bench.log == ["open b"]


def test_no_engine_at_all_is_an_error() -> None:
    with pytest.raises(EngineUnavailable, match="a: no library; b: no GPU"):
        Bench(a=EngineUnavailable("no library"), b=EngineUnavailable("no GPU")).choose()
    with pytest.raises(GoldenMismatch, match="wrong pixels"):
        Bench(a=EngineUnavailable("no library"), b=GoldenMismatch("wrong pixels")).choose()
    with pytest.raises(EngineUnavailable, match="pip install"):
        Bench().choose()


def test_a_remembered_engine_that_no_longer_opens_is_replaced() -> None:
    bench = Bench(a=10.0, b=8.0)
    bench.choose()
    bench.takes_ms["b"] = EngineUnavailable("gone")
    opened, reason = bench.choose()
    assert opened == "a"
    assert "b left out: gone" in reason
    assert "cached" not in reason


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"KEY": 5}', '{"KEY": {"winner": "a"}}', '{"KEY": {"winner": ["a"]}}',
     '{"KEY": {"winner": "a", "median_ms": 3, "refused": {}, "measured": ""}}',
     '{"KEY": {"winner": "a", "median_ms": {"a": "x"}, "refused": {}, "measured": ""}}',
     '{"KEY": {"winner": ["a"], "median_ms": {"a": 1}, "refused": {}, "measured": ""}}'],
)  # fmt: skip
def test_a_broken_cache_is_measured_over(cache: Path, text: str) -> None:
    bench = Bench(a=10.0, b=8.0)
    bench.choose()
    key = next(iter(json.loads(cache.read_text())))
    cache.write_text(text.replace("KEY", key))
    opened, reason = bench.choose()
    assert opened == "b"
    assert "cached" not in reason
    assert "cached" in bench.choose()[1]


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    bench = Bench(a=10.0, b=8.0)
    assert bench.choose()[0] == bench.choose()[0] == "b"
    assert bench.runs("b") > 0


def test_other_entries_and_no_scratch_files_stay(cache: Path) -> None:
    bench = Bench(a=10.0, b=8.0)
    bench.choose()
    bench.choose({"model": "second"})
    assert len(json.loads(cache.read_text())) == 2
    assert [file.name for file in cache.parent.iterdir()] == ["auto.json"]


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert fastest.cache_file() == tmp_path / ".cache" / "gain_ros" / "auto.json"


def test_the_machine_is_described_without_opening_engines() -> None:
    described = fastest.machine(["onnxruntime", "no_such_engine"])
    assert described["cores"] >= 1
    assert described["engines"]["onnxruntime"][0].isdigit()
    assert described["engines"]["no_such_engine"] == "unknown"
    assert json.loads(json.dumps(described)) == described


def test_what_others_can_write_is_measured_anew(cache: Path) -> None:
    Bench(a=10.0, b=12.0).choose()
    assert cache.stat().st_mode & 0o777 == 0o600
    cache.chmod(0o666)
    bench = Bench(a=10.0, b=12.0)
    assert "cached" not in bench.choose()[1]
    assert cache.stat().st_mode & 0o777 == 0o600
