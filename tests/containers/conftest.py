"""Every zip function in a Lambda container: an engine, an image, and the functions built for it."""

import os
from collections.abc import Iterator

import pytest

from infra.local.cloud import ROOT
from infra.local.progress import Progress
from tests.containers.engine import Engine, NoEngine, engine
from tests.containers.lambda_image import LambdaImage, lambda_image
from tests.house.bundles import lambda_python

STATE = ROOT / ".local/containers"


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    try:
        with engine(STATE, Progress()) as found:
            yield found
    except NoEngine as reason:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            raise
        pytest.skip(f"NO FUNCTION WAS RUN IN A CONTAINER: {reason}")


@pytest.fixture(scope="session")
def image(docker: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaImage]:
    progress = Progress()
    packages = next(lambda_python().parents[1].glob("lib/python*/site-packages"))
    with lambda_image(docker, packages, tmp_path_factory.mktemp("image")) as made:
        progress.say(f"Lambda's image for python{made.python}: {'a stand-in' if made.stand_in else 'AWS’s own'}")
        yield made
