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

"""The launch file under the real launch; skips unless gain_ros is installed in a sourced workspace (colcon build)."""

import os
import shutil
import signal
import subprocess

import pytest
from graph import eventually
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import Image


@pytest.fixture
def launched(domain_id, tmp_path):
    """Runs ``ros2 launch gain_ros segment.launch.py`` with the arguments given; the process ends with the test."""
    ros2 = shutil.which("ros2")
    if ros2 is None or subprocess.run([ros2, "pkg", "prefix", "gain_ros"], capture_output=True, check=False).returncode:
        pytest.skip("needs ros2launch and gain_ros installed in a sourced workspace")
    processes = []

    def run(*arguments):
        command = [ros2, "launch", "gain_ros", "segment.launch.py", *arguments]
        with (tmp_path / "said").open("wb") as said:
            processes.append(subprocess.Popen(command, stdout=said, stderr=said, env=os.environ))
        return processes[-1]

    yield run
    for process in processes:  # it ends its nodes first; killed, it would leave them
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_arguments_reach_the_node_and_ctrl_c_ends_it(graph, launched, tmp_path):
    process = launched("namespace:=robot", "image:=/camera/image_raw", "autostart:=false", "engine:=onnxruntime")
    node = "/robot/segmentation_node"
    answer = graph.call(GetState, f"{node}/get_state", GetState.Request())
    assert answer.current_state.label == "unconfigured"
    request = GetParameters.Request(names=["autostart", "engine", "transport", "use_sim_time"])
    autostart, engine, transport, use_sim_time = graph.call(GetParameters, f"{node}/get_parameters", request).values
    assert autostart.bool_value is False
    assert engine.string_value == "onnxruntime"
    assert transport.string_value == "raw"
    assert use_sim_time.bool_value is False
    eventually(lambda: "process started" in (tmp_path / "said").read_text(), "launch's own report")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert "process has finished cleanly" in (tmp_path / "said").read_text()


def test_cameras_are_listed_with_a_topic_each(graph, launched):
    launched(
        "cameras:=front,left", "image:=/f/image_raw,/l/image_raw", "device:=cpu", "precision:=fp32", "max_frame_age:=2",
        "max_rate:=5", "always_on:=true", "engine:=onnxruntime", "model:=gain_nano_camvid",
    )  # fmt: skip
    request = GetParameters.Request(names=["cameras", "device", "precision", "max_frame_age", "max_rate", "always_on"])
    given = graph.call(GetParameters, "segmentation_node/get_parameters", request).values
    cameras, device, precision, max_frame_age, max_rate, always_on = given
    assert list(cameras.string_array_value) == ["front", "left"]
    assert (device.string_value, precision.string_value, max_frame_age.double_value) == ("cpu", "fp32", 2.0)
    assert (max_rate.double_value, always_on.bool_value) == (5.0, True)
    for camera in ("front", "left"):
        graph.listen(Image, f"segmentation/{camera}/mask")
    for topic in ("/f/image_raw", "/l/image_raw"):
        graph.publisher(topic)


def test_a_topic_that_lacks_is_said_before_a_node_starts(launched, tmp_path):
    assert launched("cameras:=front,left", "image:=/f/image_raw").wait(timeout=30) == 1
    assert "image has 1 topics for 2 cameras; expected one each" in (tmp_path / "said").read_text()
