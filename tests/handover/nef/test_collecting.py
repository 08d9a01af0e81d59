"""The collection's loop: when it looks, what it does with trouble, and what it says in the end."""

import json

import pytest

from quintet.handover.collecting import Collected, Span, answer, as_json, collect, file_name, notes
from quintet.handover.errors import NEFConnectionError
from quintet.handover.nef import WrongNefCredentials
from quintet.handover.nef_samples import Sample
from tests.handover.nef_emulators import PASSWORD, USER, Scene


def running(kind: str = "fork") -> Scene:
    scene = Scene(kind)  # type: ignore[arg-type]
    scene.log_in()
    scene.emulator.start_all()
    return scene


def collected(scene: Scene, duration: float = 10, interval: float = 1) -> Collected:
    return collect(scene.nef, Span(duration, interval), clock=scene.clock, wait=scene.wait)


def ues(samples: list[Sample]) -> list[str]:
    return [sample["ue_id"][-1] for sample in samples]


@pytest.mark.parametrize(
    ("duration", "interval", "looks"), [(60, 1, 60), (1, 1, 1), (10, 3, 4), (1, 60, 1), (0.5, 1, 1), (9, 3, 3)]
)
def test_a_look_each_interval(duration: float, interval: float, looks: int) -> None:
    scene = running()
    result = collected(scene, duration, interval)
    assert (result.looks, len(result.samples)) == (looks, 3 * looks)
    assert scene.waited == pytest.approx([interval] * (looks - 1))


def test_a_slow_emulator_is_not_looked_at_more_often_afterwards() -> None:
    scene = running()
    begun = scene.clock.now()
    looked: list[float] = []

    def progress(_: Collected) -> None:
        looked.append((scene.clock.now() - begun).total_seconds())
        scene.clock.advance(2.5 if len(looked) == 2 else 0.25)

    collect(scene.nef, Span(7, 1), clock=scene.clock, wait=scene.wait, progress=progress)
    assert looked == [0, 1, 4, 5, 6]


def test_progress_tells_of_each_look() -> None:
    told: list[tuple[int, int, int]] = []
    scene = running()
    collect(
        scene.nef, Span(3, 1), clock=scene.clock, wait=scene.wait,
        progress=lambda now: told.append((now.looks, now.moving, len(now.samples))),
    )  # fmt: skip
    assert told == [(1, 3, 3), (2, 3, 6), (3, 3, 9)]


def test_it_stops_when_asked_and_keeps_what_it_has() -> None:
    scene = running()
    scene.stop_after = 4
    result = collected(scene)
    assert (result.stopped, result.looks, len(result.samples)) == (True, 4, 12)


def test_a_ue_that_stops_is_no_longer_looked_at() -> None:
    scene = running()
    begun = scene.clock.now()

    def progress(now: Collected) -> None:
        if now.looks == 2:
            scene.emulator.world.ues["202010000000002"].started_at = None

    result = collect(scene.nef, Span(4, 1), clock=scene.clock, wait=scene.wait, progress=progress)
    assert scene.clock.now() > begun
    assert "".join(ues(result.samples)) == "1231231313"
    assert (result.vanished, result.failed_looks) == (0, 0)


def test_a_ue_that_vanishes_between_two_questions_is_counted() -> None:
    """It is among the moving ones, and its radio is gone."""
    scene = running()
    plain = scene.emulator._features
    scene.emulator._features = lambda supi: plain("nobody" if supi.endswith("2") else supi)  # type: ignore[method-assign]
    result = collected(scene, 3)
    assert "".join(ues(result.samples)) == "131313"
    assert result.vanished == 3
    assert any("gone 3 times" in note for note in notes(result))


@pytest.mark.parametrize("trouble", ["away", "busy"])
def test_a_look_that_fails_is_counted_and_told_and_the_next_one_made(trouble: str) -> None:
    scene = running()

    def progress(now: Collected) -> None:
        troubled = now.looks == 2
        scene.away, scene.status = troubled and trouble == "away", 503 if troubled and trouble == "busy" else None

    result = collect(scene.nef, Span(5, 1), clock=scene.clock, wait=scene.wait, progress=progress)
    assert (result.looks, result.failed_looks, len(result.samples)) == (5, 1, 12)
    assert len(result.troubles) == 1
    assert "1 of 5 looks failed" in notes(result)[0]


def test_one_ue_in_trouble_does_not_cost_the_others() -> None:
    scene = running()
    plain = scene.emulator._features

    def features(supi: str) -> object:
        return plain(supi)._replace(status=418) if supi.endswith("1") else plain(supi)

    scene.emulator._features = features  # type: ignore[method-assign, assignment]
    result = collected(scene, 3)
    assert "".join(ues(result.samples)) == "232323"
    assert (result.looks, result.failed_looks) == (3, 3)


def test_when_every_look_fails_there_is_no_result() -> None:
    scene = running()
    scene.away = True
    with pytest.raises(NEFConnectionError, match="all 10 looks failed"):
        collected(scene)
    assert scene.breaker.standing().state == "open"


def test_a_token_that_expires_meanwhile_is_renewed() -> None:
    scene = running()

    def progress(now: Collected) -> None:
        if now.looks % 2:
            scene.emulator.expire_tokens()

    result = collect(scene.nef, Span(6, 1), clock=scene.clock, wait=scene.wait, progress=progress)
    assert (len(result.samples), result.failed_looks) == (18, 0)
    assert scene.emulator.logins == 4


def test_a_password_that_is_changed_meanwhile_ends_it() -> None:
    scene = running()

    def progress(now: Collected) -> None:
        scene.emulator.expire_tokens()
        scene.emulator.password = "another"

    with pytest.raises(WrongNefCredentials):
        collect(scene.nef, Span(6, 1), clock=scene.clock, wait=scene.wait, progress=progress)


class TestAnswer:
    def test_of_the_fork(self) -> None:
        said = answer(collected(running()), "a/file.json")
        assert said.model_dump() == {
            "samples": 30, "file": "a/file.json", "upload_key": None, "trainable": 30, "looks": 10, "failed_looks": 0,
            "vanished": 0, "stopped": False, "notes": (),
        }  # fmt: skip

    def test_of_the_original_says_that_nothing_can_be_learnt(self) -> None:
        said = answer(collected(running("original")), "f")
        assert (said.samples, said.trainable) == (30, 0)
        assert "no radio" in said.notes[0]

    @pytest.mark.parametrize("kind", ["original", "fork"])
    def test_of_nobody_says_how_to_start_somebody(self, kind: str) -> None:
        scene = Scene(kind)  # type: ignore[arg-type]
        scene.nef.login(USER, PASSWORD)
        said = answer(collected(scene), "f")
        assert (said.samples, said.looks) == (0, 10)
        assert "start-loop" in said.notes[0]


def test_the_file() -> None:
    scene = running()
    result = collected(scene, 2)
    assert json.loads(as_json(result.samples)) == result.samples
    assert file_name(scene.clock.now()) == "training_data_20260101_000001.json"
