from __future__ import annotations

from pathlib import Path

import pytest
from random_bundle import write_random_bundle


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gain_nano with random weights and all its files. Read only: copy it to change it."""
    return write_random_bundle(tmp_path_factory.mktemp("models") / "random_nano")
