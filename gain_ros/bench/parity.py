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

"""Do the same pictures give the same labels, and which mIoU? Segmenters against each other, a graph against PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gain_ros.fit import place
from gain_ros.frames import from_rgb
from gain_ros.model_folder import GRAPH, ModelFolder
from gain_ros.resize import labels_from_logits, resize_input
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.score import agreement, confusion_matrix, mean_iou
from gain_ros.sources.source import Source, SourceFrame


def compare_engines(
    source: Source, model: str, engines: Sequence[str], precisions: Sequence[str] | None, tick: Callable[[int], object]
) -> list[dict[str, Any]]:
    """Rows as in :func:`parity_rows`: PyTorch first where it is one of ``engines``, fp32 before other precisions.

    An engine has a row for each of ``precisions`` that it has; None: fp32 on a CPU.
    """
    from gain_ros.runtime.engines import with_precisions
    from gain_ros.runtime.opening import open_segmenter

    with ExitStack() as stack:
        names = sorted(engines, key=lambda name: name != "torch")
        pairs = sorted(with_precisions(names, precisions), key=lambda pair: pair[1] in ("bf16", "int8"))
        segmenters = [
            stack.enter_context(open_segmenter(model, engine=name, precision=precision)) for name, precision in pairs
        ]
        return parity_rows(source, segmenters, tick)


def parity_rows(
    source: Source,
    segmenters: Sequence[Segmenter],
    tick: Callable[[int], object],
    frames: Iterable[SourceFrame] | None = None,
    encoding: str = "rgb8",
) -> list[dict[str, Any]]:
    """Send frames through all Segmenters, one by one, so that no mask has to be kept.

    Args:
        source: whose truth counts where it is in the model's own classes.
        segmenters: the first is what the others are compared with.
        tick: is given the number of frames done, after each.
        frames: those of ``source`` to look at; default all.
        encoding: how the Segmenters get them, as in :mod:`gain_ros.frames`.

    Returns:
        A row a Segmenter: engine, precision, provider, frames, agreement (share of pixels as in the first row), and
        miou, None without truth.

    """
    label_set = segmenters[0].model_folder.labels
    scored = source.label_set is not None and source.label_set.names == label_set.names
    same, pixels, count = np.zeros(len(segmenters)), 0, 0
    confusion = np.zeros((len(segmenters), len(label_set), len(label_set)), np.int64)
    for frame in source if frames is None else frames:
        shown = from_rgb(frame.rgb, encoding)
        masks = [segmenter.segment([shown], confidence=False)[0].labels for segmenter in segmenters]
        same += [float((mask == masks[0]).sum()) for mask in masks]
        if scored and frame.labels is not None:
            confusion += [confusion_matrix(frame.labels, mask, len(label_set)) for mask in masks]
        pixels, count = pixels + masks[0].size, count + 1
        tick(count)
    return [
        {
            "engine": segmenter.info.engine,
            "precision": segmenter.info.precision,
            "provider": segmenter.info.provider,
            "frames": count,
            "agreement": same[i] / pixels if pixels else 0.0,
            "miou": mean_iou(confusion[i]) if scored else None,
        }
        for i, segmenter in enumerate(segmenters)
    ]


def graph_agreement(model_folder: ModelFolder, graph: Path, form: str, size: tuple[int, int] | None) -> float:
    """Measure the share of the golden picture's pixels to which an exported graph and the model give the same label.

    Args:
        model_folder: the model, which PyTorch runs, or ONNX Runtime where it is an imported graph; and the picture.
        graph: the ONNX file.
        form: "labels" (camera picture to mask) or "logits" (network picture to the head's logits).
        size: height and width of the picture where the graph's are fixed.

    """
    from gain_ros.onnx import INPUTS

    rgb, _ = model_folder.golden()
    whole = form == "labels"
    frame = resize_input(rgb, size or (rgb.shape[:2] if whole else model_folder.input_size))
    fitted = replace(model_folder, fit=model_folder.fit if size else "stretch")
    found = _run(graph.read_bytes(), INPUTS[form], frame)
    expected = _imported_labels(fitted, frame) if model_folder.imported else _torch_output(fitted, frame, whole)
    if whole:
        return agreement(found, expected)
    return agreement(*(labels_from_logits(logits, rgb.shape[:2])[0] for logits in (found, expected)))


def _torch_output(model_folder: ModelFolder, frame: np.ndarray, whole: bool) -> np.ndarray:
    """Return labels (H, W) of a frame, or logits where it is not the ``whole`` step that is wanted."""
    import torch

    from gain_ros.model import load_model
    from gain_ros.model.deploy import LabelsForm, LogitsForm

    network, mean, std = load_model(model_folder), model_folder.mean, model_folder.std
    form = LabelsForm(network, mean, std, model_folder.input_size, model_folder.fit) if whole else None
    with torch.inference_mode():
        output = (form or LogitsForm(network, mean, std)).eval()(torch.from_numpy(frame[None].copy()))
    return (output[0] if whole else output)[0].numpy()


def _imported_labels(model_folder: ModelFolder, frame: np.ndarray) -> np.ndarray:
    """Return labels (H, W) of a frame: the folder's own graph between the two resizes of the runtime."""
    from gain_ros.onnx import INPUTS

    placement = place(frame.shape[:2], model_folder.input_size, model_folder.fit)
    logits = _run(model_folder.read(GRAPH), INPUTS["logits"], placement.shown(frame, model_folder.mean))
    return labels_from_logits(placement.cut(logits), frame.shape[:2])[0]


def _run(graph: bytes, name: str, picture: np.ndarray) -> np.ndarray:
    """Return what a graph gives first, for one picture."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {name: picture[None]})[0][0]
