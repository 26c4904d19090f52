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

"""What `gain bench` puts side by side on the same frames: raw engine, Segmenter, node, and the published form.

The node runs in this process, on a ROS graph of its own; its time is from a frame's arrival to its published mask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gain_ros.bench.rounds import Candidate, Measurable, Pace, Repeated
from gain_ros.libraries import has_module
from gain_ros.model_folder import ModelFolder
from gain_ros.resize import resize_input
from gain_ros.runtime.engines import MaskEngine, open_engine
from gain_ros.runtime.opening import open_segmenter
from gain_ros.runtime.segmenter import Segmenter

if TYPE_CHECKING:
    from gain_ros.bench.inprocess import InProcessGraph

_FRAMES = 6


def open_candidates(
    stack: contextlib.ExitStack,
    model_folder: ModelFolder,
    engines: Sequence[tuple[str, str]],
    size: tuple[int, int],
    pace: Pace,
    reference: bool = False,
) -> list[Candidate]:
    """Open engine, Segmenter and, where ROS is installed, node for each of several engines.

    Args:
        stack: closes them.
        model_folder: the model that they run.
        engines: names of engines, each with a precision.
        size: height and width of the frames, which show the model's golden picture, shifted.
        pace: how long each is measured.
        reference: also the published form, GAIN on ResNet-18 in eager PyTorch, which needs torch.

    """
    picture = resize_input(model_folder.golden()[0], size)
    frames = [np.roll(picture, index * size[1] // _FRAMES, axis=1) for index in range(_FRAMES)]
    graph = _open_graph(stack, pace) if has_module("rclpy") else None
    candidates = []
    for name, precision in engines:
        segmenter = stack.enter_context(open_segmenter(model_folder.path, engine=name, precision=precision))
        subjects: dict[str, Measurable] = {
            "engine": Repeated(_raw_engine(stack, name, precision, model_folder, frames), pace),
            "segmenter": Repeated(_segment(segmenter, frames), pace),
        }
        if graph is not None:
            subjects["node"] = stack.enter_context(graph.node(segmenter, frames))
        info = segmenter.info
        candidates += [
            Candidate(what, name, info.precision, info.provider, subject) for what, subject in subjects.items()
        ]
    if reference:
        published = Repeated(_reference(model_folder), pace)
        candidates.append(Candidate("reference", "torch", "fp32", "R18, eager, NCHW, fp32", published))
    return candidates


def _raw_engine(
    stack: contextlib.ExitStack, name: str, precision: str, model_folder: ModelFolder, frames: Sequence[np.ndarray]
) -> Callable[[int], object]:
    """Run the engine on its own, on input that is ready for it."""
    engine = open_engine(name, model_folder, precision=precision)
    stack.callback(engine.close)
    if isinstance(engine, MaskEngine):
        batches = [frame[None] for frame in frames]
        return lambda index: engine.labels(batches[index % len(batches)])
    images = [resize_input(frame, model_folder.input_size)[None] for frame in frames]
    return lambda index: engine.logits(images[index % len(images)])


def _segment(segmenter: Segmenter, frames: Sequence[np.ndarray]) -> Callable[[int], object]:
    return lambda index: segmenter.segment([frames[index % len(frames)]], confidence=False)


def _reference(model_folder: ModelFolder) -> Callable[[int], object]:
    import torch

    from gain_ros.model import build

    network = build("gain_r18", len(model_folder.labels)).eval()
    image = torch.rand(1, 3, *model_folder.input_size)

    def forward(_index: int) -> object:
        with torch.inference_mode():
            return network(image)

    return forward


def _open_graph(stack: contextlib.ExitStack, pace: Pace) -> InProcessGraph:
    from gain_ros.bench.inprocess import InProcessGraph
    from gain_ros.evaluation.live.graph import fastdds_profile, own_graph

    stack.enter_context(own_graph(fastdds_profile()))
    return stack.enter_context(InProcessGraph(pace))
