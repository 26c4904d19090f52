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

"""Start the segmentation node: ``ros2 launch gain_ros segment.launch.py image:=/camera/image_raw``.

Arguments that are left empty keep what ``params_file`` says. Several cameras:
``cameras:=front,left image:=/front/image_raw,/left/image_raw``.
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

# Arguments that are parameters of the node by the same name.
PARAMETERS = {
    "model": str,
    "engine": str,
    "device": str,
    "precision": str,
    "transport": str,
    "max_frame_age": float,
    "max_rate": float,
    "always_on": bool,
    "autostart": bool,
    "use_sim_time": bool,
}
SHIPPED, NONE = "shipped", "none"
# Any of them set means that the user has chosen the transport.
FAST_DDS_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")


def generate_launch_description() -> LaunchDescription:
    config = Path(get_package_share_directory("gain_ros")) / "config"

    def argument(name: str, default: str, description: str) -> DeclareLaunchArgument:
        return DeclareLaunchArgument(name, default_value=default, description=description)

    return LaunchDescription(
        [
            argument("model", "", "Name of a shipped model, or path of a model folder."),
            argument("engine", "", "auto, tensorrt, onnxruntime, openvino or torch."),
            argument("device", "", "auto, cpu or cuda."),
            argument("precision", "", "auto, fp32, fp16 or int8."),
            argument(
                "image",
                "",
                "Image topic to segment, such as /camera/image_raw; with cameras one for each, with commas between. "
                "Left empty: image, or <camera>/image.",
            ),
            argument("cameras", "", "Names of cameras that are served together, with commas between: front,left."),
            argument("max_frame_age", "", "Seconds after which a frame is too old to be segmented; 0.0 never drops."),
            argument("max_rate", "", "Frames a second and camera that are segmented at most; 0.0 is all of them."),
            argument("always_on", "", "true or false: listen to cameras though nobody subscribes to their results."),
            argument("transport", "", "raw, or compressed to read <image>/compressed."),
            argument("namespace", "", "Namespace of the node; masks come out at <namespace>/segmentation/mask."),
            argument("params_file", str(config / "segmentation.yaml"), "YAML file with the node's parameters."),
            argument("use_sim_time", "", "true or false: take the time from /clock, as with a bag."),
            argument("autostart", "", "true or false: configure and activate at start."),
            argument("log_level", "info", "debug, info, warn, error or fatal."),
            argument(
                "fastdds_profile",
                SHIPPED,
                "Fast DDS profile for large images (docs/transport.md): a file, 'shipped' for the package's own unless "
                "the environment names one, or 'none'.",
            ),
            OpaqueFunction(function=launch_node, args=[config / "fastdds.xml"]),
        ]
    )


def launch_node(context: LaunchContext, shipped_profile: Path) -> list[Node]:
    """Return the node's action, now that the arguments are known."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    parameters: dict[str, object] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PARAMETERS.items()
        if value(name)
    }
    cameras = listed(value("cameras"))
    if cameras:
        parameters["cameras"] = cameras
    return [
        Node(
            package="gain_ros",
            executable="segmentation_node",
            name="segmentation_node",
            namespace=value("namespace"),
            output="screen",
            parameters=[value("params_file"), parameters],
            remappings=image_remappings(cameras, listed(value("image"))),
            arguments=["--ros-args", "--log-level", value("log_level")],
            additional_env=fast_dds_environment(value("fastdds_profile"), shipped_profile),
        )
    ]


def listed(text: str) -> list[str]:
    """Return what stands between commas; brackets around all of it are taken off."""
    return [each.strip() for each in text.strip("[] ").split(",") if each.strip()]


def image_remappings(cameras: list[str], topics: list[str]) -> list[tuple[str, str]]:
    """Return the remapping of each camera's image to its topic, in order; none without topics."""
    names = [f"{camera}/image" for camera in cameras] or ["image"]
    if topics and len(topics) != len(names):
        raise ValueError(
            f"image has {len(topics)} topics for {len(names)} cameras; expected one each, in the order of cameras: "
            "cameras:=front,left image:=/front/image_raw,/left/image_raw"
        )
    return list(zip(names, topics, strict=True)) if topics else []


def fast_dds_environment(profile: str, shipped_profile: Path) -> dict[str, str]:
    """Return the variable that makes Fast DDS read ``profile``; none for none."""
    if profile in ("", NONE) or (profile == SHIPPED and any(map(os.environ.get, FAST_DDS_VARIABLES))):
        return {}
    old = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")  # Fast DDS 2
    name = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    return {name: str(shipped_profile if profile == SHIPPED else profile)}
