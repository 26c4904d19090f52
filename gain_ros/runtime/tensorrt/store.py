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

"""The TensorRT engines of one model on one machine: their keys, how they are built and judged, and loaded again."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gain_ros.errors import EngineUnavailable, GoldenMismatch
from gain_ros.fit import place, stretched
from gain_ros.frames import Frame, as_array, describe, encoding_of, from_rgb, size_of
from gain_ros.model_folder import ModelFolder
from gain_ros.pictures import decode_ids, encode
from gain_ros.resize import resize_input
from gain_ros.runtime.segmenter import Segmenter
from gain_ros.runtime.tensorrt.acceptance import CHECK_AGREEMENT
from gain_ros.runtime.tensorrt.build import BuildCancelledError, build_plan, choose_route
from gain_ros.runtime.tensorrt.cache import Built, EngineCache, EngineKey, Entry
from gain_ros.runtime.tensorrt.cudart import Cuda
from gain_ros.runtime.tensorrt.graphs import typed_graph
from gain_ros.runtime.tensorrt.progress import BuildProgress
from gain_ros.runtime.tensorrt.session import EngineRefusedError, EngineSession
from gain_ros.score import MIN_AGREEMENT, agreement

_logger = logging.getLogger("gain_ros.tensorrt")

_PLAN, _LABELS = "engine.plan", "labels.png"


class EngineStore:
    """Loads and builds :class:`EngineSession` objects for one model in one precision, "fp32", "fp16" or "int8"."""

    def __init__(self, trt: Any, cuda: Cuda, model_folder: ModelFolder, precision: str, cuda_graph: bool = False):
        self.cache = EngineCache()
        self._trt, self._cuda, self._model_folder = trt, cuda, model_folder
        self._precision, self._cuda_graph = precision, cuda_graph
        self._route = choose_route(trt, precision)

    def built_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of frames for which the cache has an engine of this model that runs on this machine."""
        here = self._key(b"", ())
        return [
            entry.key.shape
            for entry in self.cache.entries()
            if replace(entry.key, onnx=here.onnx, profile=here.profile) == here
            and entry.facts.get("model") == self._model_folder.digest
        ]

    def load(self, shape: tuple[int, ...]) -> EngineSession | None:
        """Load the engine for frames of ``shape``, checked; None where none is cached or it is of no use now."""
        entry = self.entry(shape)
        if entry is None:
            return None
        fused = entry.facts["fused_key"] and self.cache.load(EngineKey(**entry.facts["fused_key"]))
        return (fused and self._start(fused)) or self._start(entry)

    def build(
        self,
        shape: tuple[int, ...],
        progress: BuildProgress,
        reference: Segmenter | None,
        images: Sequence[np.ndarray] | None = None,
        accept: bool = False,
    ) -> EngineSession:
        """Build the engine for frames of ``shape``, unless another process is faster, and load it.

        It is checked against ``reference``, or without one against the golden pair, where that has this shape.
        ``images``, RGB uint8 (H, W, 3), calibrate int8; ``accept`` keeps an engine that disagrees.
        Raises GoldenMismatch, EngineUnavailable, BuildCancelledError.
        """
        progress.begin(f"the TensorRT engine of {self._model_folder.name} for {describe(shape)} in {self._precision}")
        try:
            graph = self._graph(shape, images)
            self.cache.obtain(
                self._key(graph, shape),
                self._model_folder.name,
                lambda why: self._build_plain(why, graph, shape, progress, reference, accept),
                waiting=lambda: _stop_if_cancelled(progress),
            )
        finally:
            progress.end()
        session = self.load(shape)
        if session is None:
            raise EngineUnavailable("tensorrt refuses the engine that it has just built; its log says why")
        return session

    def entry(self, shape: tuple[int, ...]) -> Entry | None:
        """Return the cache's entry for frames of ``shape`` (of the plain engine, whether or not a plugin is used)."""
        return self.cache.load(self._key(self._graph(shape), shape))

    def forget(self, shape: tuple[int, ...], why: str) -> None:
        """Delete the engine for frames of ``shape`` from the cache, and the one with the plugin."""
        entry = self.entry(shape)
        if entry is not None:
            keys = [entry.key, *([EngineKey(**entry.facts["fused_key"])] if entry.facts["fused_key"] else [])]
            for key in keys:
                self.cache.discard(key, why)

    def _graph(self, shape: tuple[int, ...], images: Sequence[np.ndarray] | None = None) -> bytes:
        return typed_graph(self.cache, self._model_folder, self._precision, shape, self._route, images)

    def _key(self, graph: bytes, shape: tuple[int, ...], plugin: str = "") -> EngineKey:
        return EngineKey(
            onnx=hashlib.sha256(graph).hexdigest(),
            tensorrt=self._trt.__version__,
            compute_capability=self._cuda.compute_capability,
            gpu=self._cuda.gpu,
            platform=platform_name(),
            precision=self._precision,
            route=self._route.name,
            profile="x".join(map(str, (1, *shape))),
            flags=self._route.text,
            plugin=plugin,
        )

    def _start(self, entry: Entry) -> EngineSession | None:
        """Load an engine and compare its labels with those that it gave when it was built."""
        try:
            session = EngineSession(self._trt, self._cuda, entry.read(_PLAN), self._cuda_graph)
        except EngineRefusedError as error:
            self.cache.discard(entry.key, str(error))
            return None
        try:
            kept = decode_ids(entry.read(_LABELS))
            same = agreement(self._run(session, self._check_picture(session.shape)), kept)
        except BaseException:
            session.close()
            raise
        if same >= MIN_AGREEMENT:
            return session
        session.close()
        self.cache.discard(entry.key, f"it gives {100 * same:.2f} % of the labels that it gave when it was built")
        return None

    def _build_plain(
        self,
        why: str,
        graph: bytes,
        shape: tuple[int, ...],
        progress: BuildProgress,
        reference: Segmenter | None,
        accept: bool,
    ) -> Built:
        _logger.info("%s; TensorRT %s on %s", why, self._trt.__version__, self._cuda.gpu)
        picture = self._check_picture(shape)
        expected = self._expected(picture, reference)
        start = time.monotonic()
        plan = build_plan(self._trt, graph, self._route, progress)
        seconds = time.monotonic() - start
        with contextlib.closing(EngineSession(self._trt, self._cuda, plan)) as session:
            labels = self._run(session, picture)
            share, least = agreement(labels, expected), CHECK_AGREEMENT[self._precision]
            if share < least and not accept:
                raise GoldenMismatch(
                    f"the TensorRT engine of {self._model_folder.name!r} in {self._precision} gives "
                    f"{100 * share:.2f} % of the check picture's labels, expected {100 * least:.1f} %; take another "
                    "precision or another engine"
                )
            fused_key, plugin = self._build_fused(graph, progress, session)
            facts = self._facts(session, seconds) | {
                "agreement": share, "fused_key": fused_key and asdict(fused_key), "plugin": plugin
            }  # fmt: skip
        return Built({_PLAN: plan, _LABELS: encode(labels)}, facts)

    def _build_fused(self, graph: bytes, progress: BuildProgress, plain: EngineSession) -> tuple[EngineKey | None, str]:
        """Build the same graph with the attention as our plugin.

        Returns its key where it gives the plain engine's labels, and why.
        Whatever goes wrong here, the plain engine stands.
        """
        try:
            plugins = importlib.import_module("tensorrt.plugin")
        except ImportError:
            return None, "this TensorRT has no tensorrt.plugin (10.9 or newer)"
        if not hasattr(plugins, "aot_impl"):
            return None, "this TensorRT cannot compile plugins ahead of time (10.9 or newer)"
        try:
            from gain_ros.runtime.tensorrt import plugin

            plugin.register()
            fused = plugin.fused_onnx(_parsed(graph)).SerializeToString(deterministic=True)
            key = self._key(fused, plain.shape, plugin.source_hash())
            self.cache.obtain(
                key,
                self._model_folder.name,
                lambda why: self._judge_fused(fused, progress, plain),
                waiting=lambda: _stop_if_cancelled(progress),
            )
        except BuildCancelledError:
            raise
        except Exception as error:  # a compiler and a plugin may fail in any way
            _logger.warning("the attention plugin is left out: %s", error)
            return None, f"left out: {error}"
        return key, "used: it gives the plain graph's labels"

    def _judge_fused(self, graph: bytes, progress: BuildProgress, plain: EngineSession) -> Built:
        start = time.monotonic()
        plan = build_plan(self._trt, graph, self._route, progress)
        seconds = time.monotonic() - start
        with contextlib.closing(EngineSession(self._trt, self._cuda, plan)) as session:
            for picture in (_patches(plain.shape), self._check_picture(plain.shape)):
                labels = self._run(session, picture)
                same = agreement(labels, self._run(plain, picture))
                if same < MIN_AGREEMENT:
                    raise GoldenMismatch(f"it gives {100 * same:.2f} % of the plain graph's labels")
            return Built({_PLAN: plan, _LABELS: encode(labels)}, self._facts(session, seconds))

    def _facts(self, session: EngineSession, seconds: float) -> dict[str, Any]:
        layers = len(session.inspection["layers"])
        return {
            "model": self._model_folder.digest, "seconds": round(seconds, 1), "layers": layers,
            "fused_key": None,
        }  # fmt: skip

    def _check_picture(self, shape: tuple[int, ...]) -> Frame:
        return from_rgb(resize_input(self._model_folder.golden()[0], size_of(shape)), encoding_of(shape))

    def _expected(self, picture: Frame, reference: Segmenter | None) -> np.ndarray:
        if reference is not None:
            return reference.segment([picture], confidence=False)[0].labels
        rgb, labels = self._model_folder.golden()
        shape, model = picture.shape, self._model_folder
        if rgb.shape == shape and place(size_of(shape), model.input_size, model.fit) == stretched(model.input_size):
            return labels
        raise EngineUnavailable(
            f"a new TensorRT engine for {describe(shape)} has to be checked against another engine, and none is "
            "installed; run `pip install onnxruntime`"
        )

    @staticmethod
    def _run(session: EngineSession, picture: Frame) -> np.ndarray:
        return session.labels(as_array(picture)[None])[0][0]


def unusable_here(trt: Any, cuda: Cuda, key: EngineKey) -> str | None:
    """Why an engine with this key does not run on this machine; None where it does."""
    pairs = {
        "TensorRT": (key.tensorrt, trt.__version__),
        "GPU": (key.gpu, cuda.gpu),
        "compute capability": (key.compute_capability, cuda.compute_capability),
        "platform": (key.platform, platform_name()),
    }
    different = [f"{name} {built}, here {here}" for name, (built, here) in pairs.items() if built != here]
    return f"built for {'; '.join(different)}" if different else None


def platform_name(root: Path = Path("/")) -> str:
    """Like "x86_64", "l4t-38.2.0" on a Jetson, "sbsa" on other arm64 machines."""
    machine = platform.machine()
    if machine != "aarch64":
        return machine
    release = root / "etc" / "nv_tegra_release"
    if release.is_file():
        text = release.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"R(\d+) .*REVISION: ([\d.]+)", text)
        return f"l4t-{found[1]}.{found[2]}" if found else "l4t"
    compatible = root / "proc" / "device-tree" / "compatible"  # a container sees the device tree, not always /etc
    return "l4t" if compatible.is_file() and b"nvidia,tegra" in compatible.read_bytes() else "sbsa"


def _stop_if_cancelled(progress: BuildProgress) -> None:
    if progress.cancelled:
        raise BuildCancelledError("waiting for another process that builds this TensorRT engine was cancelled")


def _patches(shape: tuple[int, ...]) -> Frame:
    """Random colours in large patches: many classes, and unlike noise hardly a pixel that rounding alone decides."""
    colours = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    rgb = cv2.resize(colours, size_of(shape)[::-1], interpolation=cv2.INTER_NEAREST)
    return from_rgb(rgb, encoding_of(shape))


def _parsed(graph: bytes) -> Any:
    import onnx

    return onnx.load_from_string(graph)
