from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import random_bundle
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from tiny_bundle import write_tiny_bundle

import gain_ros.runtime
from gain_ros.runtime.engine_cache import EngineCache
from gain_ros.runtime.engines import cudart
from gain_ros.runtime.export import add_onnx


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    return random_bundle.picture


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gain_nano with random weights and all its files. Read only: copy it to change it."""
    return random_bundle.write_random_bundle(tmp_path_factory.mktemp("models") / "random_nano")


@pytest.fixture(scope="session")
def deployed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the "labels" graph that TensorRT starts from."""
    folder = random_bundle.write_random_bundle(tmp_path_factory.mktemp("deployed") / "random_nano")
    add_onnx(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose "labels" graph is two convolutions."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def typed_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Typed graphs take long to make, so all tests share them."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, typed_graphs: Path) -> CudaDouble:
    """A GPU, by way of ctypes, and a cache folder of the test's own."""
    double = CudaDouble()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    EngineCache().folder.mkdir(parents=True)
    (EngineCache().folder / "graphs").symlink_to(typed_graphs)
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    return double


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch, cuda: CudaDouble):
    """Installs a TensorRT of some version: ``tensorrt("10.13.0")`` gives the module, whose ``behaviour`` can be set.

    The real attention plugin is left out: its compiler needs the real tensorrt.plugin.
    """
    none = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "gain_ros.runtime.plugin", none)
    monkeypatch.setattr(gain_ros.runtime, "plugin", none, raising=False)
    return lambda version="10.13.0": tensorrt_double.install(monkeypatch, version, cuda)
