"""What all suites share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"

for name in [name for name in os.environ if name.startswith("QUINTET_")]:
    del os.environ[name]  # the suites are about the code, not about the shell they are run from


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; a test that needs it skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA
