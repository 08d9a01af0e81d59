"""One version of each library for the whole house."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = [path for part in ("layers", "gpu_workers") for path in sorted((ROOT / part).glob("*/requirements*.txt"))]
OF_THE_RUNTIME = {"boto3", "botocore", "awslambdaric"}


def pins(path: Path) -> dict[str, str]:
    """Versions by normalised name; a line that pins nothing has the version ""."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    found = (re.match(r"([\w.-]+)(?:\[[^\]]*\])?(?:==([\w.+!-]+))?", line) for line in lines if line)
    return {re.sub(r"[-_.]+", "-", one[1]).lower(): one[2] or "" for one in found if one}


def disagreements(pinned: Mapping[str, str], constraints: Mapping[str, str]) -> Iterator[str]:
    for name, version in pinned.items():
        if not version:
            yield f"{name} is not pinned"
        elif constraints.get(name, version) != version:
            yield f"{name}=={version}, but constraints.txt has {constraints[name]}"


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.parent.name)
def test_requirements_agree_with_constraints(path: Path) -> None:
    assert list(disagreements(pins(path), pins(ROOT / "constraints.txt"))) == []


@pytest.mark.parametrize("path", sorted((ROOT / "layers").glob("*/requirements.in")), ids=lambda path: path.parent.name)
def test_layers_pin_all_they_ask_for_and_nothing_of_the_runtime(path: Path) -> None:
    pinned = pins(path.with_name("requirements.txt"))
    assert set(pins(path)) <= set(pinned) <= set(pins(ROOT / "constraints.txt"))
    assert not OF_THE_RUNTIME & set(pinned)


def test_disagreements_are_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "requirements.txt"
    wrong.write_text("numpy==2.4.5  # older\nNum_Py.Ext[x]==1\nredis>=5\n")
    assert list(disagreements(pins(wrong), {"numpy": "2.4.6"})) == [
        "numpy==2.4.5, but constraints.txt has 2.4.6",
        "redis is not pinned",
    ]
