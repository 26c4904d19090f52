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

"""Any ONNX network for semantic segmentation → model folder. Needs onnx and onnxruntime, no torch.

What can be read off the graph is; what its outputs are is seen on a picture, since many graphs do not say.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gain_ros.errors import NetworkError, quoted
from gain_ros.files import scratch_folder, sha256
from gain_ros.labels import LabelSet
from gain_ros.model_folder import IMPORTED, read_model_folder, shipped_models, write_model_folder
from gain_ros.onnx.foreign import (
    check_plain,
    has_control_flow,
    network_inputs,
    opset,
    read_network,
    without_control_flow,
)
from gain_ros.onnx.nodes import PREFIX
from gain_ros.onnx.presets import PLAIN, Preset
from gain_ros.onnx.wrapping import NetworkInput, NetworkOutput, with_semantic_output, with_source, wrapped
from gain_ros.resize import labels_from_logits, resize_input
from gain_ros.score import MIN_AGREEMENT, agreement

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

LEVELS_MEAN, LEVELS_STD = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)  # the levels 0 to 255 themselves
SEMANTIC = "semantic_scores"  # the output that is made of queries


@dataclass(frozen=True)
class Options:
    """What is said of a network beside its graph; None and False leave it to the graph, or to the preset.

    ``size`` is (height, width); ``mean`` and ``std`` are of R, G, B in 0..1, or in 0..255 with ``levels``, which means
    that the network takes 0 to 255; ``layout`` "nchw" or "nhwc"; ``output`` the name of the one to use.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    levels: bool = False
    bgr: bool = False
    layout: str | None = None
    output: str | None = None
    align_corners: bool = False
    control_flow: bool = False
    preset: Preset = PLAIN


@dataclass(frozen=True)
class ImportReport:
    """What was found. ``golden_classes`` are the names of the classes in the mask of the golden picture."""

    path: Path
    source: NetworkInput
    result: NetworkOutput
    dynamic_batch: bool
    golden_classes: tuple[str, ...]


def import_onnx(
    network: Path, labels: LabelSet, out: Path, options: Options, licence: str, background: str | None = None
) -> ImportReport:
    """Write the model folder ``out`` from an ONNX file; the class ``background`` is 255 in masks, the others stay.

    Raises NetworkError where the network is not what ``options`` and ``labels`` say, or cannot be used;
    ModelFolderError where ``out`` is in the way.
    """
    model = read_network(network)
    source = _source(model, options)
    if has_control_flow(model):
        model = _decided(model, source, options)
    check_plain(model.SerializeToString())
    if options.preset.queries:
        model = with_semantic_output(
            model, *_queries(model, options.preset.queries), SEMANTIC, options.preset.queries_size
        )
    rgb = _golden_picture(source.size)
    result = _result(_outputs(model, source, rgb), len(labels), source.size, options)
    logits = wrapped(model, source, result)
    batch = None if _takes_batches(logits, rgb) else 1
    if source.any_size and not _takes_sizes(logits, rgb, result):
        source = replace(source, any_size=False)
    graph = wrapped(model, source, result, batch)
    (scores,) = _run(graph, rgb[None])
    golden = labels_from_logits(scores[0], source.size)[0]
    with scratch_folder() as folder:
        file = folder / "logits.onnx"
        file.write_bytes(graph.SerializeToString(deterministic=True))
        written = write_model_folder(
            out,
            name=out.absolute().name,
            architecture=IMPORTED,
            options={},
            labels=labels,
            input_size=source.size,
            mean=source.mean,
            std=source.std,
            training=_origin(network, model, source, result),
            metrics={},
            licence=licence,
            weights=None,
            golden=(rgb, golden),
            graph=file,
            remap={name: i for i, name in enumerate(labels.names) if name != background} if background else None,
        )
    seen = tuple(labels.names[i] for i in np.unique(golden))
    return ImportReport(written.path, source, result, batch is None, seen)


def _source(model: ModelProto, options: Options) -> NetworkInput:
    """Read off the graph what it takes."""
    from onnx import TensorProto

    inputs = network_inputs(model.graph)
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise NetworkError(f"the network has {len(inputs)} inputs ({names}); expected one, pictures: export it so")
    value = inputs[0]
    dtype = value.type.tensor_type.elem_type
    taken = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8)
    if dtype not in taken:
        found = TensorProto.DataType.Name(dtype).lower()
        raise NetworkError(f"input {value.name!r} is {found}; expected float or uint8 pictures: export it anew")
    channels_last, size, any_size = _layout_and_size(value, options)
    mean, std = _normalisation(value.name, dtype == TensorProto.UINT8, options)
    any_size = any_size and not has_control_flow(model)
    return NetworkInput(value.name, dtype, channels_last, size, mean, std, options.bgr, any_size)


def _layout_and_size(value: ValueInfoProto, options: Options) -> tuple[bool, tuple[int, int], bool]:
    """Return whether colours come last, the size (height, width), and whether the graph leaves both sides open."""
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    shape = "x".join(str(length or "?") for length in dims)
    if len(dims) != 4:
        raise NetworkError(f"input {value.name!r} is {shape or 'of no known shape'}; expected Nx3xHxW or NxHxWx3")
    fits = [layout for layout, axis in (("nchw", 1), ("nhwc", 3)) if dims[axis] in (0, 3)]
    sure = [layout for layout, axis in (("nchw", 1), ("nhwc", 3)) if dims[axis] == 3]
    layout = options.layout or (sure[0] if len(sure) == 1 else fits[0] if len(fits) == 1 else "")
    if not fits or (layout and layout not in fits):
        raise NetworkError(
            f"input {value.name!r} is {shape}, not {layout or 'RGB'}; expected 3 channels, --layout as is"
        )
    if not layout:
        raise NetworkError(f"input {value.name!r} is {shape}, which may be either; give --layout nchw or nhwc")
    height, width = dims[1:3] if layout == "nhwc" else dims[2:4]
    given = options.size or (height, width)
    if 0 in given:
        raise NetworkError(f"input {value.name!r} is {shape}, of any size; give --size WxH, as it was trained")
    if any(fixed not in (0, side) for fixed, side in zip((height, width), given, strict=True)):
        raise NetworkError(
            f"the network's size is fixed, {width or '?'}x{height or '?'}, and --size is {given[1]}x{given[0]}; leave "
            "--size out, or export the network in that size"
        )
    return layout == "nhwc", given, height == width == 0


def _normalisation(
    name: str, is_uint8: bool, options: Options
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and std of R, G, B in 0..1."""
    mean, std = options.mean or options.preset.mean, options.std or options.preset.std
    if is_uint8:
        if mean or std:
            raise NetworkError(f"input {name!r} is uint8, so the network normalises itself; leave mean and std out")
        return LEVELS_MEAN, LEVELS_STD
    if not options.levels:
        return mean or (0.0, 0.0, 0.0), std or (1.0, 1.0, 1.0)
    if not options.mean and not options.std:
        return (mean, std) if mean and std else (LEVELS_MEAN, LEVELS_STD)
    (red, green, blue), (first, second, third) = options.mean or (0, 0, 0), options.std or (1, 1, 1)
    return (red / 255, green / 255, blue / 255), (first / 255, second / 255, third / 255)


def _decided(model: ModelProto, source: NetworkInput, options: Options) -> ModelProto:
    if not options.control_flow:
        raise NetworkError(
            "the network holds control flow (If, Loop or Scan); export it without, or give --allow-control-flow to "
            "have it decided once for the input's size"
        )
    shape = (*source.size, 3) if source.channels_last else (3, *source.size)
    return without_control_flow(model, (1, *shape))


def _queries(model: ModelProto, wanted: tuple[str, str]) -> tuple[str, str]:
    names = [value.name for value in model.graph.output]
    if missing := [name for name in wanted if name not in names]:
        raise NetworkError(f"the network has no output {missing[0]!r} (it has {', '.join(names)}); take another preset")
    return wanted


def _golden_picture(size: tuple[int, int]) -> np.ndarray:
    """Return a street, RGB uint8 (height, width, 3)."""
    folders = shipped_models()
    if not folders:
        raise NetworkError("no shipped model has a picture to try the network on; install gain_ros again")
    return np.ascontiguousarray(resize_input(read_model_folder(folders[0]).golden()[0], size))


def _outputs(model: ModelProto, source: NetworkInput, rgb: np.ndarray) -> dict[str, np.ndarray]:
    """Run the network on one picture; returns what it gives, by the names of its outputs."""
    trial = with_source(model, source)
    height, width = source.size
    names = [value.name.removeprefix(PREFIX) for value in trial.graph.output]
    try:
        return dict(zip(names, _run(trial, rgb[None]), strict=True))
    except Exception as error:  # ONNX Runtime's own kinds have no common base
        raise NetworkError(
            f"ONNX Runtime cannot run the network on a picture of {width}x{height}: {quoted(str(error))}; export it "
            "anew, or give another --size"
        ) from error


def _run(model: ModelProto, images: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised; the log would say it again
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})


def _takes_batches(logits: ModelProto, rgb: np.ndarray) -> bool:
    """Tell whether a graph gives for two pictures at once what it gives for each: many are exported for one alone."""
    pictures = np.stack((rgb, rgb[:, ::-1]))
    try:
        (together,) = _run(logits, pictures)
    except Exception:  # whatever ONNX Runtime raises for a shape that does not fit
        return False
    apart = [_run(logits, picture[None])[0][0] for picture in pictures]
    return together.shape == (2, *apart[0].shape) and all(
        agreement(one.argmax(0), other.argmax(0)) >= MIN_AGREEMENT for one, other in zip(together, apart, strict=True)
    )


def _takes_sizes(logits: ModelProto, rgb: np.ndarray, result: NetworkOutput) -> bool:
    """Tell whether a graph runs on pictures of other proportions; what is resized within the graph has one size."""
    if result.kind == "ids" or result.align_corners:
        return False
    height, width, _ = rgb.shape
    try:
        (scores,) = _run(logits, resize_input(rgb, (height + 32, width + 64))[None])
    except Exception:  # whatever ONNX Runtime raises for a shape that does not fit
        return False
    return scores.shape[1] == result.classes and bool(np.isfinite(scores).all())


def _result(found: dict[str, np.ndarray], classes: int, size: tuple[int, int], options: Options) -> NetworkOutput:
    """Choose the output that holds the classes."""
    names = _candidates(list(found), options)
    read = [_read_output(name, found[name], classes, size, options.align_corners) for name in names]
    fitting = [each for each in read if isinstance(each, NetworkOutput)]
    if not fitting:
        raise NetworkError("; ".join(str(each) for each in read))
    if len(fitting) > 1:
        several = ", ".join(f"{each.name} ({each.kind})" for each in fitting)
        raise NetworkError(
            f"{len(fitting)} outputs fit the {classes} classes: {several}; choose one with --output NAME"
        )
    return fitting[0]


def _candidates(names: list[str], options: Options) -> list[str]:
    if options.output is not None:
        if options.output not in names:
            raise NetworkError(f"--output {quoted(options.output)} is none of the network's: {', '.join(names)}")
        return [options.output]
    known = [name for name in (SEMANTIC, *options.preset.outputs) if name in names]
    return known[:1] or names


def _read_output(
    name: str, values: np.ndarray, classes: int, size: tuple[int, int], align: bool
) -> NetworkOutput | NetworkError:
    """Say what an output is by its shape, type and values for one picture, or why it is no mask."""
    shape = "x".join(map(str, values.shape))
    expected = f"the {classes} classes of the class file"
    if _are_ids(values):
        unknown = values[(values < 0) | (values >= classes)]
        if unknown.size:
            return NetworkError(f"output {name!r} gives id {int(unknown.flat[0])} on a street; expected {expected}")
        height, width = (length for length in values.shape if length != 1)
        return NetworkOutput(name, "ids", values.ndim, False, classes, (height, width))
    if values.dtype.kind != "f" or values.ndim not in (3, 4) or (values.ndim == 4 and len(values) != 1):
        return NetworkError(f"output {name!r} is {values.dtype} {shape}; expected NxCxhxw, NxhxwxC or ids Nxhxw")
    scores: np.ndarray = values.reshape(values.shape[-3:]).astype(np.float32)
    first, _, third = scores.shape
    if classes not in (first, third):
        return NetworkError(
            f"output {name!r} is {shape}, so of {min(first, third)} classes; expected {expected}: give the file of its "
            "classes, or another --output"
        )
    if not np.isfinite(scores).all():
        return NetworkError(f"output {name!r} holds NaN or infinity; check --mean, --std and --range")
    last = _classes_are_last(scores.shape, classes, size)
    planes = scores.transpose(2, 0, 1) if last else scores
    kind = "probabilities" if name == SEMANTIC or _are_probabilities(planes) else "logits"
    _, height, width = planes.shape
    return NetworkOutput(name, kind, values.ndim, last, classes, (height, width), align)


def _are_ids(values: np.ndarray) -> bool:
    """Tell whether an output is one whole number a pixel, in whatever type."""
    if sum(length != 1 for length in values.shape) != 2 or values.dtype.kind not in "iuf":
        return False
    return values.dtype.kind != "f" or bool((values == np.rint(values)).all())


def _classes_are_last(shape: tuple[int, ...], classes: int, size: tuple[int, int]) -> bool:
    """Where both may be, the picture's sides tell."""
    first, second, third = shape
    if classes not in (first, third) or first != third:
        return third == classes
    height, width = size
    return abs(first * width - second * height) < abs(second * width - third * height)


def _are_probabilities(planes: np.ndarray) -> bool:
    return bool(planes.min() >= 0 and np.allclose(planes.sum(0), 1, atol=1e-2))


def _origin(network: Path, model: ModelProto, source: NetworkInput, result: NetworkOutput) -> dict[str, Any]:
    """Return what model.yaml says of where the network is from."""
    return {
        "imported_from": network.name,
        "sha256": sha256(network),
        "opset": opset(model),
        "input": plain_facts(source),
        "output": plain_facts(result),
    }


def plain_facts(part: NetworkInput | NetworkOutput) -> dict[str, Any]:
    """Return an input or an output as plain values, its type by name."""
    from onnx import TensorProto

    facts = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(part).items()}
    if "dtype" in facts:
        facts["dtype"] = TensorProto.DataType.Name(facts["dtype"]).lower()
    return facts
