"""What Lambda gets: small enough, light enough to import, quick enough to start."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.local.errors import CloudError
from tests.bench.init_time import measure
from tests.house.bundles import Bundle, build_bundles, heavy, imported, lambda_python, oversize


@pytest.fixture(scope="module")
def built() -> list[Bundle]:
    try:
        lambda_python()
        return build_bundles()
    except CloudError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the functions can't be built here: {error}")


def test_every_function_was_built(built: list[Bundle]) -> None:
    folders = {path.parent.resolve() for path in (Path(__file__).parents[2] / "functions").glob("*/*/app.py")}
    assert {bundle.task for bundle in built} == folders
    assert all((layer / "python").is_dir() for bundle in built for layer in bundle.layers)


def test_functions_fit_into_lambda(built: list[Bundle]) -> None:
    assert [problem for bundle in built for problem in oversize(bundle)] == []


def test_handlers_import_nothing_heavy_and_need_no_environment(built: list[Bundle]) -> None:
    assert [problem for bundle in built for problem in heavy(bundle, imported(bundle))] == []


@pytest.mark.enable_socket
def test_every_function_initialises_in_its_bundle(built: list[Bundle]) -> None:
    """With doors open and closed, as Lambda does it; how fast is for tests/bench."""
    known = {row.label for row in measure(built, runs=1) if row.closed}
    assert known == {bundle.label for bundle in built}


# Each rule sees what breaks it.


@pytest.fixture
def attic(tmp_path: Path) -> Bundle:
    task, layer = tmp_path / "functions/attic/ghost", tmp_path / "layer"
    for folder in (task, layer / "python/scipy"):
        folder.mkdir(parents=True)
    (layer / "python/scipy/__init__.py").write_text("x = 1\n")
    (task / "app.py").write_text("import json, scipy\n")
    return Bundle("attic", "Ghost", "app.handler", task, (layer,), {})


def test_large_bundle_is_seen(attic: Bundle) -> None:
    assert attic.bytes() == len("x = 1\n") + len("import json, scipy\n")
    assert list(oversize(attic, limit=20)) == ["attic ghost takes 0 MB unzipped, more than 0"]


def test_heavy_import_is_seen(attic: Bundle, built: list[Bundle]) -> None:
    modules = imported(attic)
    assert "json" in modules
    assert list(heavy(attic, modules)) == ["attic ghost imports scipy"]


def test_import_that_needs_the_environment_is_seen(attic: Bundle, built: list[Bundle]) -> None:
    (attic.task / "app.py").write_text("import os\nos.environ['QUINTET_TABLE']\n")
    with pytest.raises(subprocess.CalledProcessError):
        imported(attic)
