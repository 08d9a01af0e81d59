"""What all suites share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from infra.local.endpoints import Endpoints
from tests import brokers
from tests.clouds import ROOT, LocalCloud, running

TOY = ROOT / "tests/integration/toy"
SHARED_DATA = ROOT.parent / "shared" / "data"

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # a busy machine is no failure

for name in [name for name in os.environ if name.startswith("QUINTET_")]:
    del os.environ[name]  # the suites are about the code, not about the shell they are run from


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; a test that needs it skips where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud with a small collection that misbehaves on request; its sources are a copy that tests may change."""
    place = tmp_path_factory.mktemp("toy")
    shutil.copytree(TOY, place / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    cloud = LocalCloud(place / "cloud", place / "sources/template.yaml")
    cloud.up()
    yield cloud
    cloud.run("down")


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.TestBroker]:
    """A real RabbitMQ; tests name their queues so that none meets another's."""
    own = brokers.start(tmp_path_factory.mktemp("broker"))
    yield own
    own.stop()


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[brokers.TestBroker]:
    """One that a test may kill and start again without any other noticing."""
    own = brokers.start(tmp_path / "broker")
    yield own
    own.stop()


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud of the tests' own with the real collection; jobs that carry a script are trained by script."""
    own = LocalCloud(tmp_path_factory.mktemp("cloud"), ROOT / "template.yaml")
    own.up(DETECTOR_LIBRARY="tests.training.trainer.mixed_library:mixed")
    yield own
    own.run("down")


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> Endpoints:
    """The real collection's endpoints: those of AWS_ENDPOINT_URL where set, else of a cloud of the tests' own."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        return running(endpoint)
    own: LocalCloud = request.getfixturevalue("collection")
    return own.endpoints
