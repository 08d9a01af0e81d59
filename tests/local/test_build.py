from pathlib import Path

import pytest

from infra.local.build import declared, fingerprint


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "functions/glucose/api").mkdir(parents=True)
    (tmp_path / "functions/glucose/api/app.py").write_text("handler = None\n")
    template = tmp_path / "template.yaml"
    template.write_text("Parameters:\n  Stage: {Type: String}\nResources:\n  A: {Value: !Ref Stage}\n")
    return template


def test_declared_parameters_are_read_past_the_tags(project: Path) -> None:
    assert declared(project) == {"Stage"}


def test_the_fingerprint_follows_sources_and_parameters(project: Path) -> None:
    before = fingerprint(project, {"Stage": "local"})
    assert fingerprint(project, {"Stage": "other"}) != before
    (project.parent / "README.md").write_text("words")
    assert fingerprint(project, {"Stage": "local"}) == before
    (project.parent / "functions/glucose/api/app.py").write_text("handler = print\n")
    assert fingerprint(project, {"Stage": "local"}) != before


def test_what_python_leaves_behind_does_not_count(project: Path) -> None:
    before = fingerprint(project, {})
    cache = project.parent / "functions/glucose/api/__pycache__"
    cache.mkdir()
    (cache / "app.cpython-311.pyc").write_bytes(b"\0")
    assert fingerprint(project, {}) == before
