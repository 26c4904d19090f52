from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import random_bundle


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    return random_bundle.picture


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gain_nano with random weights and all its files. Read only: copy it to change it."""
    return random_bundle.write_random_bundle(tmp_path_factory.mktemp("models") / "random_nano")
