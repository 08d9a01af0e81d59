"""What the tests of the owners' side share."""

from pathlib import Path

import pytest

from tests.sdk.hall import Hall, Household


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def household(tmp_path: Path) -> Household:
    """Three owners."""
    return Household(tmp_path, 3)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whoever runs the tests."""
    for name in ("ID", "ORCHESTRATOR_URL"):
        monkeypatch.delenv(name, raising=False)
