import os
from pathlib import Path

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
