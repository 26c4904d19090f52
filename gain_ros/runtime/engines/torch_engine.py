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

"""PyTorch: the reference, and the engine for models without ONNX files."""

from __future__ import annotations

import logging
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from gain_ros.errors import EngineUnavailable
from gain_ros.frames import rgb_from_array
from gain_ros.model import GAIN, load_model
from gain_ros.model.deploy import LabelsForm, LogitsForm
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.engines import check_images
from gain_ros.score import MIN_AGREEMENT, agreement

_logger = logging.getLogger(__name__)

_SHAPES = 4  # frame shapes whose launches are kept recorded
_WARM_UP = 3


def open_torch(
    model_folder: ModelFolder, device: str, threads: int | None, precision: str = "auto"
) -> TorchCpuEngine | TorchGpuEngine:
    """Load the weights themselves, onto a GPU where there is one and ``device`` is not "cpu"."""
    if model_folder.imported:
        raise EngineUnavailable(
            f"model {model_folder.name!r} is an imported graph, which engine 'torch' cannot run; take onnxruntime, "
            "openvino or auto"
        )
    if device == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU alone"
        raise EngineUnavailable(
            f"torch {torch.__version__} ({built}) finds no usable GPU; check `nvidia-smi` and the torch build, "
            "or ask for device 'cpu'"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if precision == "fp16" and not on_gpu:
        raise EngineUnavailable("engine 'torch' computes in fp32 on a CPU, not in fp16; take precision 'auto'")
    return TorchGpuEngine(model_folder, precision) if on_gpu else TorchCpuEngine(model_folder)


class TorchCpuEngine:
    """Runs the network up to the head's logits, in fp32."""

    name, version, provider, device, precision = "torch", torch.__version__, "CPU", "cpu", "fp32"
    size = None

    def __init__(self, model_folder: ModelFolder):
        network = load_model(model_folder)
        self._form = _placed(LogitsForm(network, model_folder.mean, model_folder.std), self.device)

    def logits(self, images: np.ndarray) -> np.ndarray:
        check_images(images, self.size)
        with torch.inference_mode():
            # A copy: a bag's frames are read-only, which from_numpy warns of.
            return self._form(torch.tensor(images)).contiguous().numpy()

    def close(self) -> None:
        del self._form


class TorchGpuEngine:
    """Makes whole masks: fp16 with the fused kernels, recorded as a CUDA graph for each frame shape.

    Where Triton is missing, the result is not the model's golden one, or fp32 is asked for: fp32 in plain PyTorch.
    """

    name, version, device = "torch", torch.__version__, "cuda"

    def __init__(self, model_folder: ModelFolder, precision: str = "auto"):
        network = load_model(model_folder)
        if precision == "fp32":
            form = LabelsForm(network, model_folder.mean, model_folder.std, model_folder.input_size, model_folder.fit)
            self._form: Eager | Recorded = Eager(form, self.device)
            kind = "fp32"
        else:
            self._form, kind = fused_or_plain(network, model_folder, self.device)
        self.precision = kind[:4]
        if precision == "fp16" != self.precision:
            raise EngineUnavailable(f"engine 'torch' cannot compute in fp16 here: {kind}; take precision 'auto'")
        self.provider = f"{torch.cuda.get_device_name()}, {kind}"

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._form(frames)

    def close(self) -> None:
        del self._form
        torch.cuda.empty_cache()


def fused_or_plain(network: GAIN, model_folder: ModelFolder, device: str) -> tuple[Recorded | Eager, str]:
    """Return the fused form where it gives the golden picture's labels, else the plain one; and its name in words."""
    network_and_input = (network, model_folder.mean, model_folder.std, model_folder.input_size)
    plain = Eager(LabelsForm(*network_and_input, model_folder.fit), device)
    try:
        from gain_ros.model.kernels import FusedForm

        form = FusedForm(*network_and_input)  # stretches, as the golden labels want it
        rgb, golden = model_folder.golden()
        share = agreement((fused := Recorded(form, device))(rgb[None])[0][0], golden)
        if model_folder.fit != "stretch":
            form.fit = model_folder.fit
            fused = Recorded(form, device)
    except ImportError as error:
        return plain, f"fp32 (no fused kernels: {error})"
    except Exception as error:  # compilers and drivers may fail in any way; the plain form needs neither
        _logger.warning("the fused kernels are left out, they fail on this GPU: %s", error)
        return plain, "fp32 (the fused kernels fail here)"
    if share < MIN_AGREEMENT:
        _logger.warning("the fused kernels are left out, they give %.2f %% of the golden labels", 100 * share)
        return plain, "fp32 (fp16 misses the golden labels)"
    return fused, "fp16, fused kernels"


class Eager:
    """A labels form that is called as it is: frames of any kind, uint8 → labels and confidence, uint8 N×H×W."""

    def __init__(self, form: nn.Module, device: str):
        self._form, self._device = _placed(form, device), device

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rgb = np.stack([rgb_from_array(frame) for frame in frames])
        with torch.inference_mode():
            labels, confidence = self._form(torch.from_numpy(rgb).to(self._device))
            return labels.cpu().numpy(), confidence.cpu().numpy()


class Recorded:
    """The same with its launches recorded once for each shape of frames, the latest few shapes kept."""

    def __init__(self, form: nn.Module, device: str):
        self._form, self._device = form.to(device).eval(), device
        self._recordings: OrderedDict[tuple[int, ...], Recording] = OrderedDict()

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if frames.shape not in self._recordings:
            if len(self._recordings) == _SHAPES:
                self._recordings.popitem(last=False)
            self._recordings[frames.shape] = Recording(self._form, frames.shape, self._device)
        self._recordings.move_to_end(frames.shape)
        return self._recordings[frames.shape](frames)


class Recording:
    """One CUDA graph between fixed buffers, with pinned memory on the host's side of both copies."""

    def __init__(self, form: nn.Module, shape: tuple[int, ...], device: str):
        self._given = torch.zeros(shape, dtype=torch.uint8).pin_memory()
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(aside):
            for _ in range(_WARM_UP):  # Triton compiles and cuDNN chooses: neither can be recorded
                form(self._frames)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # By default the recording forbids other threads what TensorRT does while it builds beside this engine.
        with torch.inference_mode(), torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._outputs = form(self._frames)
        self._results = [torch.empty_like(output, device="cpu").pin_memory() for output in self._outputs]

    def __call__(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            np.copyto(self._given.numpy(), frames)
            self._frames.copy_(self._given, non_blocking=True)
            self._graph.replay()
            for result, output in zip(self._results, self._outputs, strict=True):
                result.copy_(output, non_blocking=True)
            torch.cuda.current_stream().synchronize()
            labels, confidence = (result.numpy().copy() for result in self._results)
        return labels, confidence


def _placed(form: nn.Module, device: str) -> nn.Module:
    return form.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's gap
