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

"""Several cameras through one node: masks a second and age of each, as Markdown.

    python benchmarks/cameras.py [--model M] [--engine E] [--cameras 1 2 4 8] [--rate 10] [--size 640x360]
    python benchmarks/cameras.py --uneven 1280x720@30 640x360@5

Node and cameras are two processes on a ROS graph of their own. A mask's age is from the moment its frame was sent to
its arrival here, so transport is part of it. The frames are noise over a gradient: what they show costs nothing.
"""

from __future__ import annotations

import argparse
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from gain_ros.evaluation.live.graph import Child, fastdds_profile, own_graph
from gain_ros.files import scratch_folder
from gain_ros.messages import fill_image
from gain_ros.times import NS_PER_S, percentiles

_START_S = 60.0
_DRAIN_S = 2.0


@dataclass
class Camera:
    """One camera: what it sends, and how old its masks were when they came."""

    name: str
    size: tuple[int, int]
    rate_hz: float
    sent: int = 0
    ages_ms: list[float] = field(default_factory=list)

    def connect(self, node: rclpy.node.Node) -> None:
        height, width = self.size
        rows = np.linspace(0, 200, height, dtype=np.uint8)[:, None, None]
        noise = np.random.default_rng(0).integers(0, 50, (height, width, 3), np.uint8)
        self._message = fill_image(Image(), rows + noise, Header(frame_id=self.name))
        self._publisher = node.create_publisher(Image, f"{self.name}/image", QoSProfile(depth=1))
        node.create_subscription(Image, f"segmentation/{self.name}/mask", self._on_mask, QoSProfile(depth=5))

    @property
    def connected(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def send(self) -> None:
        now_ns = time.time_ns()
        stamp = self._message.header.stamp
        stamp.sec, stamp.nanosec = divmod(now_ns, NS_PER_S)
        self._publisher.publish(self._message)
        self.sent += 1

    def _on_mask(self, mask: Image) -> None:
        stamp = mask.header.stamp
        self.ages_ms.append((time.time_ns() - NS_PER_S * stamp.sec - stamp.nanosec) / 1e6)

    def row(self, seconds: float) -> str:
        found = percentiles(self.ages_ms)
        height, width = self.size
        return (
            f"| {self.name} | {width}x{height} | {self.sent / seconds:.1f} | {len(self.ages_ms) / seconds:.1f} "
            f"| {found['p50'] or 0:.0f} / {found['p99'] or 0:.0f} |"
        )


def run(cameras: list[Camera], model: str, engine: str, seconds: float) -> None:
    """Send every camera's frames for ``seconds``, and take in the masks."""
    names = [camera.name for camera in cameras]
    parameters = [f"model:={model}", f"engine:={engine}", f"cameras:={names}"]
    arguments = ["gain_ros", "node", "--ros-args", *(word for each in parameters for word in ("-p", each))]
    with scratch_folder() as folder, own_graph(fastdds_profile()):
        rclpy.init(args=[])
        node = rclpy.create_node("cameras")
        for camera in cameras:
            camera.connect(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        threading.Thread(target=executor.spin, daemon=True).start()
        child = Child("node", arguments, Path(folder) / "node.log")
        try:
            _wait_for(cameras, child)
            _send(cameras, seconds)
            time.sleep(_DRAIN_S)
        finally:
            child.stop()
            executor.shutdown()
            rclpy.shutdown()


def _wait_for(cameras: list[Camera], child: Child) -> None:
    deadline_s = time.monotonic() + _START_S
    while not all(camera.connected for camera in cameras):
        child.check()
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the node does not listen to every camera after {_START_S:.0f} s")
        time.sleep(0.05)
    for camera in cameras:  # the first mask pays for what is made on first use
        camera.send()
    time.sleep(_DRAIN_S)
    for camera in cameras:
        camera.sent = 0
        camera.ages_ms.clear()


def _send(cameras: list[Camera], seconds: float) -> None:
    """Send each camera's frames at its rate, the cameras' first ones spread over a period."""
    start_s = time.monotonic()
    due = {index: start_s + index / len(cameras) / camera.rate_hz for index, camera in enumerate(cameras)}
    while (now_s := time.monotonic()) < start_s + seconds:
        index = min(due, key=lambda each: due[each])
        if due[index] > now_s:
            time.sleep(due[index] - now_s)
        cameras[index].send()
        due[index] += 1 / cameras[index].rate_hz


def _camera(text: str, index: int) -> Camera:
    size, _, rate = text.partition("@")
    width, _, height = size.partition("x")
    return Camera(f"cam{index}", (int(height), int(width)), float(rate))


def main() -> None:
    """Print a table for each number of cameras, or one for those of ``--uneven``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gain_nano_cityscapes")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rate", type=float, default=10.0, help="frames a second of each camera")
    parser.add_argument("--size", default="640x360", help="WxH of each camera's frames")
    parser.add_argument("--uneven", nargs="+", metavar="WxH@HZ", help="these cameras instead")
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    groups = [args.uneven] if args.uneven else [[f"{args.size}@{args.rate}"] * number for number in args.cameras]
    for group in groups:
        cameras = [_camera(text, index) for index, text in enumerate(group)]
        run(cameras, args.model, args.engine, args.seconds)
        masks = sum(len(camera.ages_ms) for camera in cameras) / args.seconds
        print(f"\n{len(cameras)} cameras, {masks:.1f} masks a second in all\n", flush=True)
        print("| camera | size | sent/s | masks/s | age p50 / p99, ms |\n|---|---|---|---|---|")
        print("\n".join(camera.row(args.seconds) for camera in cameras), flush=True)


if __name__ == "__main__":
    main()
