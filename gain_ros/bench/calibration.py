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

"""Make a model folder's ``precisions.json``: ranges for int8 from some pictures, costs of int8 and bf16 on others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from gain_ros.errors import EngineUnavailable, UsageError
from gain_ros.lower_precision import Cost, LowerPrecision
from gain_ros.model_folder import ModelFolder, with_lower_precision
from gain_ros.runtime.engines import open_engine
from gain_ros.runtime.segmenter import EngineSegmenter
from gain_ros.score import agreement, confusion_matrix, mean_iou

CALIBRATION_FRAMES, JUDGED_FRAMES = 32, 50
_LOWER = ("int8", "bf16")


def calibrate(
    model_folder: ModelFolder,
    images: Iterable[np.ndarray],
    judged_on: Iterable[tuple[np.ndarray, np.ndarray]],
    tick: Callable[[int], object] = lambda _: None,
) -> ModelFolder:
    """Measure what int8 needs and what int8 and bf16 cost, and put it into the model folder. Needs openvino.

    Args:
        model_folder: with a "logits" graph.
        images: RGB uint8 (H, W, 3) each, of those that the model was trained on.
        judged_on: others that it was not trained on, with their truth, uint8 (H, W).
        tick: is given the number of frames of ``judged_on`` done, after each.

    Returns:
        The folder as it is then; bf16 has a cost only where this CPU computes in it.

    Raises UsageError for no images, EngineUnavailable without openvino or the graph.

    """
    from gain_ros.runtime.engines.openvino_int8 import measure_ranges

    graph = model_folder.graph()
    if graph is None:
        raise EngineUnavailable(f"{model_folder.path} has no logits.onnx; package the model again with its ONNX files")
    ranges = measure_ranges(graph, images, model_folder.input_size)
    if not np.isfinite(list(ranges.values())).all():
        raise UsageError("int8 got no pictures to be calibrated on; give some dozen that the model was trained on")
    known = with_lower_precision(model_folder, LowerPrecision(ranges))
    return with_lower_precision(known, LowerPrecision(ranges, _costs(known, judged_on, tick)))


def spread(count: int, most: int) -> range:
    """Return at most ``most`` of the indices below ``count``, evenly spaced.

    >>> list(spread(10, 4))
    [0, 3, 6, 9]
    """
    return range(0, count, max(1, -(-count // most)))


def _costs(
    model_folder: ModelFolder, judged_on: Iterable[tuple[np.ndarray, np.ndarray]], tick: Callable[[int], object]
) -> dict[str, Cost]:
    classes, same, frames = len(model_folder.labels), dict.fromkeys(_LOWER, 0.0), 0
    confusion = {name: np.zeros((classes, classes), np.int64) for name in ("fp32", *_LOWER)}
    with contextlib.ExitStack() as stack:
        opened = {name: stack.enter_context(segmenter) for name, segmenter in _segmenters(model_folder)}
        for frames, (image, truth) in enumerate(judged_on, 1):
            masks = {name: each.segment([image], confidence=False)[0].labels for name, each in opened.items()}
            for name, mask in masks.items():
                confusion[name] += confusion_matrix(truth, mask, classes)
            for name in same.keys() & masks.keys():
                same[name] += agreement(masks[name], masks["fp32"])
            tick(frames)
    miou = {name: round(mean_iou(each), 5) for name, each in confusion.items()}
    if not frames or np.isnan(miou["fp32"]):
        raise UsageError(f"int8 of {model_folder.name!r} got no frame with truth to be judged on; give some dozen")
    return {
        name: Cost(round(same[name] / frames, 5), miou[name], miou["fp32"], frames) for name in _LOWER if name in opened
    }


def _segmenters(model_folder: ModelFolder) -> Iterator[tuple[str, EngineSegmenter]]:
    for precision in ("fp32", "int8"):
        yield precision, EngineSegmenter(model_folder, open_engine("openvino", model_folder, "cpu", precision), "")
    with contextlib.suppress(EngineUnavailable):  # not every CPU has it
        yield "bf16", EngineSegmenter(model_folder, open_engine("openvino", model_folder, "cpu", "bf16"), "")
