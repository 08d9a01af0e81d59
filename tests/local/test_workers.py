import json
from pathlib import Path

import pytest

from infra.local import workers
from infra.local.cloud import Cloud
from infra.local.rooms import Room
from infra.local.workers import WORKERS, command, commands, needed


def test_rooms_bring_their_workers_once() -> None:
    rooms = [Room(name, None, None, frozenset(), workers=frozenset({"trainer"})) for name in ("one", "two")]
    assert needed(rooms) == [WORKERS["trainer"]]
    assert needed([]) == []


def test_the_user_s_program_stands_for_an_image_and_nothing_is_installed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room("one", None, None, frozenset(), workers=frozenset({"trainer"}))
    monkeypatch.setattr(workers, "chosen", lambda names: [room])
    monkeypatch.setenv("QUINTET_WORKERS", json.dumps({"quintet/trainer": ["/bin/true"]}))
    assert commands(cloud) == {"quintet/trainer": ["/bin/true"]}


def test_every_worker_has_a_lock_without_what_comes_first() -> None:
    for worker in WORKERS.values():
        locked = {line.partition("==")[0] for line in worker.lock.read_text().splitlines() if "==" in line}
        assert locked
        assert not locked & {package.partition("==")[0] for package in worker.first}


def test_the_lock_holds_the_worker_s_own_requirements() -> None:
    for worker in WORKERS.values():
        asked = (worker.main.parent / "requirements.txt").read_text().splitlines()
        locked = worker.lock.read_text()
        assert not [line for line in asked if "==" in line and line[0] != "#" and f"{line} \\\n" not in locked]


def test_a_worker_s_variables_stand_before_its_program() -> None:
    python = Path("/venvs/trainer/bin/python")
    plain, trainer = WORKERS["forecaster"], WORKERS["trainer"]
    assert command(python, plain) == [str(python), str(plain.main)]
    program, *variables = command(python, trainer)[:-2]
    assert program == "/usr/bin/env"
    assert "MPLCONFIGDIR=/venvs/trainer/matplotlib" in variables
