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

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

# Test processes side by side that each start a thread per core slow each other down. Set before torch is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Triton's kernels are run by its interpreter, on the CPU. Set before triton is loaded.
os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real pictures and labels (CamVid, driving video), which are not ours to ship: $GAIN_DATA, or ../shared/data."""
    folder = Path(os.environ.get("GAIN_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}; set GAIN_DATA to the folder that holds camvid480/")
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A folder whose files a web server of our own gives away: ``folder`` and ``address``."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(folder=folder, address=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gain_nano with random weights and all its files. Read only: copy it to change it."""
    from random_model_folder import write_random_model_folder

    return write_random_model_folder(tmp_path_factory.mktemp("models") / "random_nano")


@pytest.fixture(scope="session")
def deployed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as it is packaged: its graph takes any size."""
    from random_model_folder import write_random_model_folder

    from gain_ros.onnx.export import add_onnx

    folder = write_random_model_folder(tmp_path_factory.mktemp("deployed") / "random_nano")
    add_onnx(folder)
    return folder


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    import random_model_folder

    return random_model_folder.picture


@pytest.fixture
def camvid_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CamVid in SegNet's layout."""
    from dataset_folders import COUNTS, write_camvid

    monkeypatch.setattr("gain_ros.datasets.camvid.COUNTS", COUNTS)
    return write_camvid(tmp_path)


@pytest.fixture
def cambridge_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CamVid in Cambridge's layout."""
    from dataset_folders import CAMBRIDGE_COUNTS, write_cambridge

    monkeypatch.setattr("gain_ros.datasets.camvid.COUNTS", CAMBRIDGE_COUNTS)
    return write_cambridge(tmp_path)


@pytest.fixture
def cityscapes_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from dataset_folders import COUNTS, write_cityscapes

    monkeypatch.setattr("gain_ros.datasets.cityscapes.COUNTS", COUNTS)
    return write_cityscapes(tmp_path)


@pytest.fixture
def folder_root(tmp_path: Path) -> Path:
    """A data set of one's own, in three classes."""
    from dataset_folders import write_folder

    return write_folder(tmp_path / "streets")
