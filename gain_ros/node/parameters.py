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

"""The node's parameters: one table for their declaration, their checks and the text in config/segmentation.yaml."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException, ParameterUninitializedException

from gain_ros.class_output import read_min_confidence, read_remap
from gain_ros.errors import GainError
from gain_ros.fit import FITS, WHOLE, check_roi
from gain_ros.pictures import MAX_SIDE
from gain_ros.runtime.engines import DEVICES, ENGINES, PRECISION_CHOICES

if TYPE_CHECKING:
    from rclpy.node import Node

_CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Taken(enum.Enum):
    """When a change takes effect."""

    LIVE = "with the next frame"
    RELOAD = (
        "between two frames, once the model has loaded anew beside the one that serves; refused where it cannot load"
    )
    CONFIGURE = "at the next configure; refused while the node is configured"
    START = "at start only"


@dataclass(frozen=True)
class Spec:
    """One parameter.

    Attributes:
        name: its name.
        default: its default, which also fixes its type.
        description: what it means, in words.
        taken: when a change takes effect.
        minimum, maximum: closed range of a number, or None.
        check: gives the reason why a value is refused, or None.

    """

    name: str
    default: Any
    description: str
    taken: Taken
    minimum: float | None = None
    maximum: float | None = None
    check: Callable[[Any], str | None] | None = None

    def descriptor(self) -> ParameterDescriptor:
        """Return what ``ros2 param describe`` shows; rclpy enforces type, range and read-only from it."""
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description,
            additional_constraints=f"Changes take effect {self.taken.value}.",
            read_only=self.taken is Taken.START,
        )
        if isinstance(self.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=self.minimum, to_value=self.maximum)]
        elif isinstance(self.default, int) and self.minimum is not None:
            descriptor.integer_range = [IntegerRange(from_value=self.minimum, to_value=self.maximum)]
        return descriptor


def _check_model(value: str) -> str | None:
    return None if value.strip() else "model is empty; expected the name of a shipped model or a model folder's path"


def _one_of(name: str, choices: Sequence[str]) -> Callable[[str], str | None]:
    return lambda value: None if value in choices else f"{name} is {value!r}; expected one of {', '.join(choices)}"


def _check_cameras(value: list[str]) -> str | None:
    names = camera_names(value)
    bad = [name for name in names if name and not _CAMERA_NAME.fullmatch(name)]
    if bad:
        return f"cameras has {bad}; expected names of letters, digits and underscores that begin with a letter"
    if len(set(names)) < len(names):
        return f"cameras is {list(value)}; expected each name once"
    return None


def _readable(read: Callable[[list[Any]], Any]) -> Callable[[list[Any]], str | None]:
    """Return a check that gives the reason why ``read`` refuses a value; whether keys exist only the model tells."""

    def check(value: list[Any]) -> str | None:
        try:
            read(value)
        except GainError as error:
            return str(error)
        return None

    return check


PARAMETERS = (
    Spec(
        "model",
        "gain_nano_cityscapes",
        "Name of a shipped model, or path of a model folder.",
        Taken.RELOAD,
        check=_check_model,
    ),
    Spec(
        "engine",
        "auto",
        "Library that runs the network. auto measures those present, once per model and machine, and remembers the "
        "fastest. With auto or tensorrt, a missing TensorRT engine is built while another one serves.",
        Taken.RELOAD,
        check=_one_of("engine", ("auto", *ENGINES)),
    ),
    Spec(
        "device",
        "auto",
        "auto, cpu or cuda. A GPU that is asked for and cannot be had is an error, never a silent CPU run.",
        Taken.RELOAD,
        check=_one_of("device", DEVICES),
    ),
    Spec(
        "precision",
        "auto",
        "What the engine computes in. auto: fp16 on a GPU; on a CPU the fastest of fp32 and those that cost little by "
        "the model folder. fp32: every engine. bf16, int8: OpenVINO. fp16, int8: TensorRT; gain build makes its int8.",
        Taken.RELOAD,
        check=_one_of("precision", PRECISION_CHOICES),
    ),
    Spec(
        "cuda_graph",
        False,
        "Whether TensorRT replays recorded launches, which saves CPU time with small networks.",
        Taken.RELOAD,
    ),
    Spec(
        "threads",
        0,
        "CPU threads the engine may use; 0 leaves the choice to the engine.",
        Taken.RELOAD,
        minimum=0,
        maximum=1024,
    ),
    Spec(
        "fit",
        "model",
        "How frames of another shape than the network's go in: stretch, letterbox, crop (the middle alone, 255 "
        "outside), area (the network runs at the camera's aspect), or what the model says (model).",
        Taken.RELOAD,
        check=_one_of("fit", ("model", *FITS)),
    ),
    Spec(
        "roi",
        list(WHOLE),
        "x, y, width and height of the part of each frame that counts, as fractions of the frame; 255 outside. "
        "[0.0, 0.0, 1.0, 0.8] leaves out a hood in the lowest fifth.",
        Taken.RELOAD,
        check=_readable(check_roi),
    ),
    Spec(
        "cameras",
        [""],
        "Names of the cameras served together, with one network call for all. Each reads <camera>/image and writes "
        "segmentation/<camera>/... By default one camera without a name, which reads image and writes segmentation/...",
        Taken.CONFIGURE,
        check=_check_cameras,
    ),
    Spec(
        "transport",
        "raw",
        "raw reads sensor_msgs/Image from the image topic; compressed reads sensor_msgs/CompressedImage (JPEG or PNG) "
        "from <image topic>/compressed.",
        Taken.CONFIGURE,
        check=_one_of("transport", ("raw", "compressed")),
    ),
    Spec(
        "always_on",
        False,
        "Whether cameras are listened to even where nobody subscribes to their results. Otherwise such a camera is "
        "idle: unsubscribed, at no cost, until the first subscriber comes.",
        Taken.LIVE,
    ),
    Spec(
        "max_frame_age",
        0.0,
        "Seconds. A frame whose stamp is older than this by the node's clock when its turn comes is dropped as stale; "
        "0 never drops. Off by default, because the camera's clock and the node's must agree (a bag needs "
        "use_sim_time). On a robot 0.5 is a good value.",
        Taken.LIVE,
        minimum=0.0,
        maximum=3600.0,
    ),
    Spec(
        "max_rate",
        0.0,
        "Hz. No more frames a second than this of each camera are worked on; 0 is no limit. When a camera's turn comes "
        "its newest frame is taken; those before it are superseded by rule, which is no lag.",
        Taken.LIVE,
        minimum=0.0,
        maximum=1000.0,
    ),
    Spec(
        "max_pixels",
        33_554_432,
        "Largest height x width accepted. A larger image is refused before it is decoded, so that no single message "
        "exhausts the memory.",
        Taken.LIVE,
        minimum=1,
        maximum=1_073_741_824,
    ),
    Spec(
        "max_side",
        MAX_SIDE,
        "Largest height and width accepted: a long and narrow image has few pixels and yet takes much memory and time.",
        Taken.LIVE,
        minimum=1,
        maximum=1_048_576,
    ),
    Spec(
        "engine_timeout",
        5.0,
        "Seconds. Frames that the engine has been at for longer are an error on /diagnostics, and nothing waits for "
        "them any more. Raise it where the network takes that long by right.",
        Taken.LIVE,
        minimum=0.1,
        maximum=3600.0,
    ),
    Spec(
        "warn_mask_age",
        0.5,
        "Seconds. /diagnostics warns where masks are published later than this after their frames were received (p99 "
        "of the last ten seconds).",
        Taken.LIVE,
        minimum=0.001,
        maximum=3600.0,
    ),
    Spec(
        "warn_superseded",
        0.8,
        "/diagnostics warns where more than this share of the frames of the last ten seconds was superseded. A network "
        "that is slower than its camera leaves frames out by design: 0.8 lets it take one in five. 1.0 never warns.",
        Taken.LIVE,
        minimum=0.0,
        maximum=1.0,
    ),
    Spec(
        "overlay_alpha",
        0.5,
        "Weight of the class colours in segmentation/overlay; the camera image has the rest.",
        Taken.LIVE,
        minimum=0.0,
        maximum=1.0,
    ),
    Spec(
        "remap",
        [""],
        "Ids in masks, as text KEY:ID, since parameters hold no mappings: road:1, sidewalk:1, others:0. A key is a "
        "class of the model, a group of classes (traversable), or others; what no key reaches is 255. One entry none "
        "keeps the model's ids. By default as model.yaml says.",
        Taken.LIVE,
        check=_readable(read_remap),
    ),
    Spec(
        "min_confidence",
        [""],
        "Confidence from 0 to 1 below which a pixel is 255, as text: one number for all classes, 0.5, or KEY:NUMBER "
        "with keys as in remap, road:0.6, others:0.3. The confidence then is computed for every frame, which costs "
        "more than the labels. By default as model.yaml says; 0 withholds nothing.",
        Taken.LIVE,
        check=_readable(read_min_confidence),
    ),
    Spec(
        "autostart",
        True,
        "Configure and activate at start; where that fails the process ends with exit code 2. Set it to false where a "
        "lifecycle manager does that.",
        Taken.START,
    ),
)

OPENING = tuple(spec.name for spec in PARAMETERS if spec.taken is Taken.RELOAD)
"""What a model is opened with."""
_BY_NAME = {spec.name: spec for spec in PARAMETERS}


def declare_parameters(node: Node) -> None:
    """Declare every parameter on ``node``.

    Raises:
        rclpy.exceptions.ParameterException: a value given at start has the wrong type, is out of range or is refused,
            or a name is none of the node's.

    """
    for spec in PARAMETERS:
        node.declare_parameter(spec.name, spec.default, spec.descriptor())
    given = node._parameter_overrides  # rclpy has no public way to see them undeclared
    unknown = [name for name in given if not node.has_parameter(name) and not name.startswith("qos_overrides.")]
    if unknown:
        raise ParameterException(f"unknown parameter; expected one of {', '.join(_BY_NAME)}", ", ".join(unknown))


def refusal(name: str, value: Any, *, configured: bool) -> str | None:
    """Return why parameter ``name`` cannot become ``value`` now, or None; parameters of others are never refused.

    Args:
        name: parameter.
        value: the new value; its type and range are checked by rclpy.
        configured: whether the node is past configure, so that some parameters are in use.

    """
    spec = _BY_NAME.get(name)
    if spec is None or value is None:
        return None
    if configured and spec.taken is Taken.CONFIGURE:
        return f"{name} is in use; bring the node to unconfigured first (ros2 lifecycle set: deactivate, cleanup)"
    return spec.check(value) if spec.check else None


def parameter_value(node: Node, name: str) -> Any:
    """Return the value of one of the node's parameters."""
    try:
        return node.get_parameter(name).value
    except ParameterUninitializedException:  # what an empty list becomes on its way
        return _BY_NAME[name].default


def opening_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of ``values`` (by name) that a model is opened with, as values that compare."""
    kept = {name: value for name, value in values.items() if name in OPENING}
    return {name: tuple(value) if name == "roi" else value for name, value in kept.items()}


def camera_names(value: Sequence[str]) -> tuple[str, ...]:
    """Return the ``cameras`` parameter as names; one camera without a name where none is given."""
    return tuple(value) or ("",)
