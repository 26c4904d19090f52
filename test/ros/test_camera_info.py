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

"""CameraInfo beside the masks, on a real graph."""

from array import array

from fake_segmenter import FakeSegmenter
from graph import eventually, image, picture, stamp_ns
from sensor_msgs.msg import CameraInfo

REMAPPED = {
    "front/image": "/rig/front/image_raw",
    "left/image": "/rig/left/image_raw",
    "left/camera_info": "/calibrated",
}


def test_each_cameras_own_comes_under_the_headers_of_its_masks_while_it_is_wanted(graph):
    rules = [word for name, topic in REMAPPED.items() for word in ("-r", f"{name}:={topic}")]
    graph.start(FakeSegmenter, model="fake", cameras=["front", "left"], arguments=["--ros-args", *rules])
    cameras = {
        camera: (graph.publisher(REMAPPED[f"{camera}/image"]), graph.node.create_publisher(CameraInfo, topic, 1))
        for camera, topic in {"front": "/rig/front/camera_info", "left": "/calibrated"}.items()
    }
    for pictures, infos in cameras.values():
        pictures.publish(image(picture()))
        assert infos.get_subscription_count() == 0
    subscriptions = []
    for number, (camera, (pictures, infos)) in enumerate(cameras.items()):
        topic = f"segmentation/{camera}/camera_info"
        received = graph.received.setdefault(topic, [])
        subscriptions.append(graph.node.create_subscription(CameraInfo, topic, received.append, 10))
        info = CameraInfo(height=6, width=8, k=array("d", [1.0 + number] * 9))
        info.header.frame_id = "as calibrated"

        def one(pictures=pictures, infos=infos, info=info, received=received, camera=camera):
            infos.publish(info)
            pictures.publish(image(picture(), stamp_ns=77, frame_id=camera))
            return received

        message = eventually(one, topic)[0]
        assert (stamp_ns(message), message.header.frame_id) == (77, camera)
        assert (message.height, message.width, message.k[0]) == (6, 8, 1.0 + number)
    for subscription in subscriptions:
        graph.node.destroy_subscription(subscription)

    def left_alone():
        for pictures, _ in cameras.values():
            pictures.publish(image(picture()))
        return not any(infos.get_subscription_count() for _, infos in cameras.values())

    eventually(left_alone, "nobody to listen to camera_info any more")
