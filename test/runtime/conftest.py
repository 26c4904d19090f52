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

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorrt_double
from cuda_double import CudaDouble, LibraryDouble
from tiny_model_folder import write_tiny_model_folder

import gain_ros.runtime.tensorrt
from gain_ros.runtime.tensorrt import cudart
from gain_ros.runtime.tensorrt.cache import EngineCache


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose "labels" graph is two convolutions."""
    return write_tiny_model_folder(tmp_path_factory.mktemp("tiny") / "tiny")


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
    monkeypatch.setitem(sys.modules, "gain_ros.runtime.tensorrt.plugin", none)
    monkeypatch.setattr(gain_ros.runtime.tensorrt, "plugin", none, raising=False)
    return lambda version="10.13.0": tensorrt_double.install(monkeypatch, version, cuda)
