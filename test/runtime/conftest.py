from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import random_bundle
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble

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


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CudaDouble:
    """A GPU, by way of ctypes, and a cache folder of the test's own."""
    double = CudaDouble()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cudart, "_find_calls", lambda: cudart._Library(LibraryDouble(double), "libcudart.so.12"))
    return double


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch, cuda: CudaDouble):
    """Installs a TensorRT of some version: ``tensorrt("10.13.0")`` gives the module, whose ``behaviour`` can be set."""
    return lambda version="10.13.0": tensorrt_double.install(monkeypatch, version, cuda)
