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

"""The node as a process: signals, exit codes, and peers with another transport set-up."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_segmenter import expected_mask
from graph import eventually, image, picture, pixels
from sensor_msgs.msg import Image
from streets import street

from gain_ros.node.process import remove_dead_segments

HERE = Path(__file__).parent
PROFILE = HERE.parents[1] / "config" / "fastdds.xml"


@pytest.fixture
def start(domain_id, tmp_path):
    """Starts the node as a child process; gives the process. What it says is in ``tmp_path/said``."""
    processes = []

    def run(*parameters, **environment):
        command = [sys.executable, str(HERE / "fake_segmenter.py"), "--ros-args"]
        for parameter in ("always_on:=true", *parameters):
            command += ["-p", parameter]
        path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(
                command, stdout=said, stderr=said, env=os.environ | {"PYTHONPATH": path} | environment
            )
        processes.append(process)
        return process

    yield run
    for process in processes:  # one that is killed leaves its shared memory behind
        process.terminate()
    for process in processes:
        assert process.wait(timeout=30) in (0, 2)


def ends_well(process, signal_number, said):
    """Whether the process obeys the signal (in two seconds on an idle machine), with exit code 0 and without a
    complaint."""
    process.send_signal(signal_number)
    code = process.wait(timeout=30)
    text = said.read_text()
    assert "Traceback" not in text, text
    assert "rror" not in text, text
    return code == 0


@pytest.mark.parametrize(
    "signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"]
)
@pytest.mark.parametrize("moment", ["streaming", "loading", "engine busy", "unconfigured"])
def test_signals_end_the_process_with_code_0(graph, start, tmp_path, signal_number, moment):
    model = {"loading": "fake:open_s=60", "engine busy": "fake:delay_ms=60000"}.get(moment, "fake:delay_ms=5")
    process = start(f"model:={model}", f"autostart:={moment != 'unconfigured'}".lower())
    if moment in ("streaming", "engine busy"):
        publisher = graph.publisher()
        graph.node.create_timer(0.003, lambda: publisher.publish(image(picture())))
    eventually(lambda: graph.node.count_publishers("/diagnostics"), "the node")
    graph.pause(0.3)
    assert ends_well(process, signal_number, tmp_path / "said")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("where", ["making the node", "tidied up"])
def test_signals_at_either_end_of_its_life_end_the_process_with_code_0(domain_id, number, where):
    kill = f"import os, signal, time; os.kill(os.getpid(), signal.{number}); time.sleep(1); raise RuntimeError('late')"
    script = {
        "making the node": f"""
import sys
from gain_ros.node.process import run_node
def make_node():
    {kill}
sys.exit(run_node(make_node))
""",
        "tidied up": f"""
import os, signal
from gain_ros.node.process import run_node
from rclpy.exceptions import ParameterException
def make_node():
    raise ParameterException("", "")
assert run_node(make_node) == 2
os.kill(os.getpid(), signal.{number})
""",
    }[where]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


SWALLOWED = """
import importlib, os, signal, sys, time
_, module, imported, *sys.argv[1:] = sys.argv
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == imported:
            sys.meta_path.remove(self)
            try:
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.03)
            except BaseException:  # as a C extension swallows it
                pass
main = importlib.import_module(module).main
sys.meta_path.insert(0, Finder())
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "words", "imported", "code", "said"),
    [
        ("gain_ros.node.main", [], "cv2", 0, ""),
        ("gain_ros.__main__", ["node"], "rclpy", 0, ""),
        ("gain_ros.__main__", ["segment", "scene", "--out", "out"], "onnxruntime", 143, "gain: stopped\n"),
    ],
)
def test_signals_during_an_import_that_swallows_exceptions_end_the_process(
    domain_id, tmp_path, module, words, imported, code, said
):
    """Two of them, 30 ms apart."""
    street(tmp_path)
    command = [sys.executable, "-c", SWALLOWED, module, imported, *words]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    how = {"capture_output": True, "text": True, "timeout": 60, "cwd": tmp_path, "env": environment}
    done = subprocess.run(command, check=False, **how)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize("arguments", [["-p", "no_value"], ["-r", "a"]])
def test_arguments_ros_does_not_understand_end_the_process_with_code_2(domain_id, arguments):
    command = [sys.executable, "-m", "gain_ros.node.main", "--ros-args", *arguments]
    root = HERE.parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("parameter", "given", "expected"),
    [
        ("transport:=carrier_pigeon", "carrier_pigeon", "expected one of raw, compressed"),
        ("engin:=torch", "engin", "expected one of model, engine"),
    ],
)
def test_a_wrong_parameter_ends_the_process_with_code_2_and_one_line(start, tmp_path, parameter, given, expected):
    process = start(parameter)
    assert process.wait(timeout=60) == 2
    lines = (tmp_path / "said").read_text().strip().splitlines()
    assert len(lines) == 1
    assert given in lines[0]
    assert expected in lines[0]


def test_a_model_that_cannot_be_loaded_ends_a_node_that_nobody_manages(start, tmp_path):
    assert start("model:=fake:broken=1").wait(timeout=60) == 2
    (line,) = [line for line in (tmp_path / "said").read_text().splitlines() if "INFO" not in line]
    assert "cannot configure: model.yaml: found nothing" in line


@pytest.mark.parametrize("arguments", [["--model", "nope"], ["--help"]])
def test_arguments_that_are_not_for_ros_end_the_process_with_code_2_and_one_line(domain_id, arguments):
    command = [sys.executable, "-m", "gain_ros.node.main", *arguments, "--ros-args", "-p", "model:=nope"]
    root = HERE.parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"gain_ros: unknown arguments {' '.join(arguments)}; expected --ros-args -p NAME:=VALUE -r FROM:=TO"
    ]


def test_shared_memory_of_dead_processes_of_this_user_is_removed(tmp_path, monkeypatch):
    names = [f"fastdds_{number:016x}" for number in range(3)] + ["fastdds_port7000"]
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / f"{name}_el").touch()
    live, new, dead, _ = (tmp_path / f"{name}_el" for name in names)
    for lock in tmp_path.iterdir():
        os.utime(lock, (0, 0))
    new.touch()
    os.mkfifo(tmp_path / "fastdds_0000000000000003_el")  # which another user may put there: to open it takes for ever
    with live.open("rb") as held, monkeypatch.context() as another:
        fcntl.flock(held, fcntl.LOCK_EX)
        another.setattr(os, "getuid", lambda: dead.stat().st_uid + 1)
        remove_dead_segments(tmp_path)
        assert dead.exists()
        another.undo()
        remove_dead_segments(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_fifo()) == sorted(
        name + end for name in names if name != dead.name.removesuffix("_el") for end in ("", "_el")
    )


def test_the_log_names_the_topics_and_after_five_silent_seconds_those_there_are(graph, start, tmp_path):
    graph.node.create_publisher(Image, "/camera/image_raw", 1)
    said = tmp_path / "said"
    start("model:=fake")
    eventually(lambda: "active: listening to /image (raw), publishing /segmentation/mask" in said.read_text(), "topics")
    eventually(lambda: "no frame on" in said.read_text(), "a warning")
    graph.pause(1.5)
    warnings = [line for line in said.read_text().splitlines() if "no frame on" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith("no frame on /image for 5 s; image topics with a publisher: /camera/image_raw")


def test_the_shipped_fast_dds_profile_works_with_peers_that_lack_it(graph, start):
    masks = graph.listen(Image, "segmentation/mask")
    start("model:=fake", FASTDDS_DEFAULT_PROFILES_FILE=str(PROFILE), FASTRTPS_DEFAULT_PROFILES_FILE=str(PROFILE))
    publisher = graph.publisher()
    rgb = picture(200, 320)  # several fragments, yet small enough for the peer's own shared memory

    def a_mask():
        publisher.publish(image(rgb))
        graph.pause(0.05)
        return masks

    np.testing.assert_array_equal(pixels(eventually(a_mask, "a mask")[0]), expected_mask(rgb))
