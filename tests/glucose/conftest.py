"""The glucose room as one machine has it: open, without state."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory_forecaster import PersistenceForecaster
from quintet.glucose.asking import Asked
from quintet.glucose.cache import AnalysisCache
from quintet.glucose.http import app
from quintet.glucose.scheduling import Direct
from quintet.glucose.settings import GlucoseForecast
from quintet.glucose.wiring import glucose
from quintet.glucose.workshop import Workshop
from quintet.kernel.clock import SteppedClock
from quintet.kernel.settings import read

SOMEBODY = Asked("somebody")


@pytest.fixture(autouse=True)
def fresh_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QUINTET_LOCAL", "true")
    monkeypatch.setenv("QUINTET_ROOM", "glucose")
    glucose.cache_clear()
    yield
    glucose.cache_clear()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def workshop() -> Workshop:
    """One server's, alone, with a forecaster that foresees nothing."""
    cache = AnalysisCache(hot_size=8, shared=None, bulk=None, clock=SteppedClock(), hours=24, persist=False)
    return Workshop(PersistenceForecaster(), cache, Direct(), Direct(), read(GlucoseForecast, {}))
