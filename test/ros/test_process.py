# Copyright 2026 gain_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node as a process: signals, exit codes, and peers with another transport set-up."""

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

HERE = Path(__file__).parent
PROFILE = HERE.parents[1] / "config" / "fastdds.xml"


@pytest.fixture
def start(domain_id, tmp_path):
    """Starts the node as a child process; gives the process. What it says is in ``tmp_path/said``."""
    processes = []

    def run(*parameters, **environment):
        command = [sys.executable, str(HERE / "fake_segmenter.py"), "--ros-args"]
        for parameter in parameters:
            command += ["-p", parameter]
        path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(
                command, stdout=said, stderr=said, env=os.environ | {"PYTHONPATH": path} | environment
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


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
@pytest.mark.parametrize("where", ["importing", "making the node", "tidied up"])
def test_signals_at_either_end_of_its_life_end_the_process_with_code_0(domain_id, number, where):
    kill = f"import os, signal, time; os.kill(os.getpid(), signal.{number}); time.sleep(1); raise RuntimeError('late')"
    script = {
        "importing": f"""
import sys, types
class Interrupted(types.ModuleType):
    def __getattr__(self, name):
        {kill}
sys.modules["rclpy"] = Interrupted("rclpy")
from gain_ros.node.main import main
main()
""",
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
