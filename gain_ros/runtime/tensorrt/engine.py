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

"""TensorRT: one engine for each shape of frames, built on this machine, kept in the cache, checked when loaded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

import numpy as np

from gain_ros.errors import EngineNotBuilt, EngineUnavailable
from gain_ros.frames import describe, encoding_of, size_of
from gain_ros.model_folder import ModelFolder
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.runtime.tensorrt.build import load_tensorrt
from gain_ros.runtime.tensorrt.cudart import CudaError, open_cuda
from gain_ros.runtime.tensorrt.progress import BuildProgress
from gain_ros.runtime.tensorrt.session import EngineSession
from gain_ros.runtime.tensorrt.store import EngineStore


class TensorRtEngine:
    """Runs frames of every shape for which an engine was built; :meth:`prepare` loads or builds one.

    A shape is that of one frame's array, RGB or YUV (:mod:`gain_ros.frames`).

    Raises EngineUnavailable where TensorRT, the CUDA runtime or the GPU is missing, or the precision cannot be had.
    """

    name = "tensorrt"
    device = "cuda"

    def __init__(
        self,
        model_folder: ModelFolder,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        cuda_graph: bool = False,
    ):
        if device == "cpu":
            raise EngineUnavailable("tensorrt runs on NVIDIA GPUs alone; take another engine for device 'cpu'")
        trt = load_tensorrt()
        cuda = open_cuda()
        self.precision = "fp16" if precision == "auto" else precision
        self.store = EngineStore(trt, cuda, model_folder, self.precision, cuda_graph)
        self.version = trt.__version__
        self.provider = f"{cuda.gpu}, {self.precision}"
        self._model, self._fit = model_folder.name, model_folder.fit
        self._preparing = threading.Lock()
        self._sessions: dict[tuple[int, ...], EngineSession] = {}

    def ready(self, shape: tuple[int, ...]) -> bool:
        """Whether frames of ``shape`` run without loading or building anything."""
        return shape in self._sessions

    def prepare(
        self,
        shape: tuple[int, ...],
        progress: BuildProgress | None = None,
        reference: Segmenter | None = None,
        images: Sequence[np.ndarray] | None = None,
        accept: bool = False,
    ) -> None:
        """Make frames of ``shape`` run: from the cache, or built now where ``progress`` is given.

        ``reference``, ``images`` and ``accept`` are those of :meth:`EngineStore.build`. Raises EngineNotBuilt without
        ``progress``, GoldenMismatch where a new engine's labels are wrong, and EngineUnavailable for everything that it
        may lack.
        """
        with self._preparing:
            if self.ready(shape):
                return
            try:
                session = self.store.load(shape) if images is None else None
                if session is None and progress is not None:
                    session = self.store.build(shape, progress, reference, images, accept)
            except CudaError as error:
                raise EngineUnavailable(f"tensorrt on {self.provider}: {error}; free memory of the GPU") from error
            if session is None:
                height, width = size_of(shape)
                raise EngineNotBuilt(
                    f"no TensorRT engine of {self._model} for frames of {describe(shape)} in {self.precision} here; "
                    f"run `gain build {self._model} --size {width}x{height} --encoding {encoding_of(shape)} "
                    f"--precision {self.precision}{'' if self._fit in ('stretch', 'crop') else f' --fit {self._fit}'}`"
                )
            self._sessions[shape] = session

    def labels(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As :class:`gain_ros.runtime.engines.MaskEngine` says. Raises EngineNotBuilt for a shape without an engine."""
        shape = frames.shape[1:]
        if not self.ready(shape):  # a ready shape never waits for another one that is being built
            self.prepare(shape)
        return self._sessions[shape].labels(frames)

    def close(self) -> None:
        with self._preparing:
            sessions, self._sessions = self._sessions, {}
        with contextlib.ExitStack() as stack:
            for session in sessions.values():
                stack.callback(session.close)
