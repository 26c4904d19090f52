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

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from streets import street

from gain_ros.errors import GraphError
from gain_ros.evaluation.live.graph import Child, environment, fastdds_profile, graph_variables, own_domain, own_graph


def test_two_at_a_time_get_different_domains():
    with own_domain() as first, own_domain() as second:
        assert first != second
        assert {first, second} <= set(range(1, 102))


def test_a_domain_whose_discovery_port_is_in_use_is_not_taken(monkeypatch):
    with own_domain() as domain:
        pass
    monkeypatch.setattr("gain_ros.evaluation.live.graph._DOMAINS", range(domain, domain + 1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("", 7400 + 250 * domain))
        with pytest.raises(GraphError, match="in use"), own_domain():
            pass
    with own_domain() as again:
        assert again == domain


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    with environment(graph_variables(42, Path("/p.xml"))):
        assert os.environ["ROS_DOMAIN_ID"] == "42"
        assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] == "/p.xml"
    assert os.environ["ROS_DOMAIN_ID"] == "7"
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in os.environ


@pytest.mark.parametrize(("distro", "name"), [("humble", "FASTRTPS"), ("jazzy", "FASTRTPS"), ("kilted", "FASTDDS")])
def test_the_profile_has_the_name_that_the_distribution_reads(distro, name, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", distro)
    variables = graph_variables(3, Path("/p.xml"))
    given = {key for key, value in variables.items() if value == "/p.xml"}
    assert given == {f"{name}_DEFAULT_PROFILES_FILE"}
    assert variables["ROS_LOCALHOST_ONLY"] == ("1" if distro == "humble" else None)


def test_the_shipped_profile_is_found():
    assert fastdds_profile().read_text().lstrip().startswith("<?xml")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module and gives its name."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(code: str) -> str:
        (tmp_path / "demo_child_module.py").write_text(code)
        return "demo_child_module"

    return write


def test_a_child_that_ends_by_itself_is_an_error_with_its_last_words(module, tmp_path):
    child = Child("node", [module("import sys; print('no engine', file=sys.stderr); sys.exit(3)")], tmp_path / "log")
    child.process.wait(20)
    with pytest.raises(GraphError, match=r"(?s)node ended with code 3.*no engine"):
        child.check()


def test_a_child_that_ignores_everything_is_ended_all_the_same(module, tmp_path, monkeypatch):
    monkeypatch.setattr("gain_ros.evaluation.live.graph._STOP_S", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = Child("node", [module(code)], tmp_path / "log", talks=True)
    assert child.process.stdout.readline() == "up\n"
    child.stop()
    assert child.process.poll() is not None


def test_a_child_dies_with_its_parent(module, tmp_path):
    name = module("import time; print('up', flush=True); time.sleep(60)")
    parent = (
        "import pathlib, sys, time; from gain_ros.evaluation.live.graph import Child\n"
        f"child = Child('node', ['{name}'], pathlib.Path(r'{tmp_path}') / 'log', talks=True)\n"
        "child.process.stdout.readline(); print(child.process.pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    for _ in range(100):
        if not is_running(pid):
            break
        time.sleep(0.05)
    assert not is_running(pid)


def test_a_graph_of_our_own_writes_no_logs_to_the_user_s_home(monkeypatch):
    monkeypatch.setenv("ROS_LOG_DIR", "/proc/nowhere")
    with own_graph(None):
        logs = Path(os.environ["ROS_LOG_DIR"])
        assert logs.is_dir()
    assert not logs.exists()
    assert os.environ["ROS_LOG_DIR"] == "/proc/nowhere"


@pytest.mark.ros
def test_a_player_that_is_stopped_gives_its_shared_memory_back(tmp_path):
    arguments = ["gain_ros.evaluation.live.player", "--source", str(street(tmp_path)), "--topic", "/images"]
    with own_graph(fastdds_profile()):
        player = Child("player", arguments, tmp_path / "log", talks=True)
        assert "ready" in next(player.lines())
        locks = [os.readlink(file) for file in Path(f"/proc/{player.process.pid}/fd").iterdir()]
        locks = [Path(file) for file in locks if re.search(r"/fast(dds|rtps)_[0-9a-f]+_el$", file)]
        player.stop()
    if not locks:
        pytest.skip("no Fast DDS with shared memory")
    assert player.process.returncode == 0
    assert not any(lock.exists() for lock in locks)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
