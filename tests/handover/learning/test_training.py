"""A training, from what was asked for to what answers."""

import json
from collections.abc import Sequence
from functools import partial

import pytest

from quintet.handover import bootstrap
from quintet.handover.examples import Example, examples_of
from quintet.handover.learning import Fit, Floats, Progress, log_loss, silent
from quintet.handover.messages import FeedbackSample, TrainingSample
from quintet.handover.runs import Runs
from quintet.handover.settings import Models
from quintet.handover.sights import Look
from quintet.handover.training import LEAST_JUDGED
from quintet.handover.trainings import GIVEN_UP_AFTER, LATE, said_of
from quintet.handover.versions import CHOSEN
from quintet.kernel.errors import InvalidInput, Unavailable
from tests.handover.learning.place import Fixed, World, away, broken, feedback, quick, samples


@pytest.fixture
def world() -> World:
    return World(model=quick())


@pytest.fixture
def few_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "drawn", partial(bootstrap.drawn, samples=40))


def told(world: World) -> tuple[int, dict[str, object]]:
    assert len(world.told.fulfilled) == 1
    _, _, status, body = world.told.fulfilled[0]
    return status, json.loads(body)


def test_a_requested_training_goes_live_and_is_told(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(120), caller="ada", job="j1")
    assert world.sent() == [run.id]
    done = world.train(run.id)
    assert (done.status, done.version, done.live) == ("done", "1.0.1", True)
    assert world.versions.active().version == "1.0.1"
    status, body = told(world)
    assert status == 200
    assert world.told.fulfilled[0][:2] == ("ada", "j1")
    metrics = body["metrics"]
    assert isinstance(metrics, dict)
    assert set(metrics) == {"samples", "classes", "feature_importance", "val_accuracy", "val_f1"}
    assert metrics["samples"] == 120
    assert world.told.progress


def test_what_is_published_says_where_it_comes_from(world: World) -> None:
    world.train(world.trainings.begin("lightgbm", samples=samples(60)).id)
    manifest = world.versions.read("1.0.1")
    assert (manifest.reason, manifest.parents, manifest.samples, manifest.seed) == ("request", ("1.0.0",), 60, 42)
    assert manifest.baseline
    assert manifest.metrics["val_accuracy"] is not None


def test_a_message_that_comes_twice_trains_once(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(30), job="j")
    world.train(run.id)
    world.train(run.id)
    assert [one.version for one in world.versions.list()].count("1.0.1") == 1
    assert world.versions.active().version == "1.0.1"
    assert len({body for *_, body in world.told.fulfilled}) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10])
def test_few_samples_are_learnt_from_and_nothing_is_held_out_of_too_few(count: int) -> None:
    world = World()
    done = world.train(world.trainings.begin("lightgbm", samples=samples(count)).id)
    assert done.status == "done"
    assert done.answer is not None
    assert done.answer["metrics"]["samples"] == count
    assert (done.answer["metrics"]["val_accuracy"] is None) == (count < 10)
    assert world.versions.active().version == "1.0.1"


def test_unusable_samples_are_refused_at_once(world: World) -> None:
    good = samples(3)
    elsewhere = good[2].model_copy(update={"optimal_antenna": "nowhere"})
    unheard = TrainingSample(ue_id="a", optimal_antenna="x")
    for unusable, match in (([*good[:2], elsewhere], "sample 2: optimal_antenna"), ([unheard], "sample 0: rf_metrics")):
        with pytest.raises(InvalidInput, match=match):
            world.trainings.begin("lightgbm", samples=unusable)
    with pytest.raises(InvalidInput, match="at least one"):
        world.trainings.begin("lightgbm")
    assert world.sent() == []


def test_a_training_that_fails_leaves_the_active_version(world: World) -> None:
    world.model = broken()
    done = world.train(world.trainings.begin("lightgbm", samples=samples(5), job="j").id)
    assert (done.status, done.error) == ("failed", "there is not enough to learn from")
    assert world.versions.active().version == "1.0.0"
    status, body = told(world)
    assert (status, body["type"], body["error"]) == (500, "ModelError", "there is not enough to learn from")
    health = world.trainings.health()
    assert health is not None
    assert (health.status, health.reason) == ("failed", "there is not enough to learn from")


def test_a_training_waits_where_something_is_away(world: World) -> None:
    world.model = away()
    run = world.trainings.begin("lightgbm", samples=samples(5), job="j")
    with pytest.raises(Unavailable):
        world.train(run.id)
    assert world.runs.read(run.id).status == "waiting"
    assert not world.runs.busy
    world.model = quick()
    assert world.train(run.id).status == "done"


def test_what_nobody_foresaw_leaves_it_waiting_and_then_failed(world: World) -> None:
    world.model = Fixed(fails=RuntimeError("out of order"))
    run = world.trainings.begin("lightgbm", samples=samples(5), job="j")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            world.train(run.id)
    assert world.runs.read(run.id).status == "failed"
    assert told(world)[0] == 500


def test_another_waits_until_the_first_has_ended(world: World) -> None:
    first, second = (world.trainings.begin("lightgbm", samples=samples(5)) for _ in range(2))
    assert world.runs.claim(first.id)
    assert world.train(second.id).status == "waiting"
    world.clock.advance(21 * 60)
    world.trainings.look_after()
    assert world.train(first.id).status == "done"
    assert second.id in world.sent()[2:]
    assert world.train(second.id).status == "done"


def test_one_that_died_is_overtaken_and_still_has_an_end(world: World) -> None:
    assert world.trainings.retrain("lightgbm", "once")
    dead, other = world.sent()[0], world.trainings.begin("lightgbm", samples=samples(5))
    assert world.runs.claim(dead)
    world.clock.advance(21 * 60)
    assert world.train(other.id).status == "done"
    assert world.runs.read(dead).status == "waiting"
    assert world.sent()[-1] == dead
    world.buffer.learn = feedback(20)
    assert world.train(dead).status == "done"
    assert world.trainings.retrain("lightgbm", "another")


def test_a_drift_goes_live_only_where_it_is_better() -> None:
    for active, model, live in ((False, True, True), (True, False, False), (True, True, False)):
        world = World(active=Fixed(strongest=active), model=Fixed(strongest=model))
        world.buffer.learn, world.buffer.held_back = feedback(40), feedback(30, seed=9)
        assert world.trainings.retrain("lightgbm", "once")
        run = world.runs.newest()
        assert run is not None
        done = world.train(run.id)
        assert (done.status, done.live) == ("done", live), done.said
        assert "held-back accuracy" in done.said
        assert world.versions.active().version == ("1.0.1" if live else "1.0.0")


def test_a_drift_without_enough_held_back_changes_nothing() -> None:
    world = World(active=Fixed(strongest=False), model=Fixed(strongest=True))
    world.buffer.learn, world.buffer.held_back = feedback(40), feedback(LEAST_JUDGED - 1, seed=9)
    world.trainings.retrain("lightgbm", "once")
    done = world.train(world.sent()[0])
    assert (done.status, done.live) == ("done", False)
    assert world.versions.active().version == "1.0.0"


def test_a_drift_yields_to_who_switched_meanwhile() -> None:
    world = World(active=Fixed(strongest=False), model=Fixed(strongest=True))
    world.buffer.learn, world.buffer.held_back = feedback(40), feedback(30, seed=9)
    world.trainings.retrain("lightgbm", "once")
    other = world.versions.publish("lightgbm", {"pairs.onnx": b"x"}, features=("a",)).version

    class Switching(Fixed):
        def files(self) -> dict[str, bytes]:
            world.versions.activate(other, reason="by hand")
            return super().files()

    world.model = Switching()
    done = world.train(world.sent()[0])
    assert (done.status, done.live) == ("done", False)
    assert world.versions.active().version == other


def test_retraining_is_never_queued_twice(world: World) -> None:
    world.buffer.learn = feedback(20)
    assert world.trainings.retrain("lightgbm", "a")
    assert not world.trainings.retrain("lightgbm", "b")
    world.train(world.sent()[0])
    assert not world.trainings.retrain("lightgbm", "a")
    assert world.trainings.retrain("lightgbm", "c")
    assert len(world.sent()) == 2


@pytest.mark.usefixtures("few_drives")
def test_a_bootstrap_is_asked_for_once() -> None:
    world = World(settings=Models(tune=True, tune_draws=1, tune_folds=2))
    assert world.trainings.bootstrap("lightgbm", tune=False) is None
    run = world.trainings.bootstrap("lightgbm", tune=True)
    again = world.trainings.bootstrap("lightgbm", tune=True)
    assert run is not None
    assert again is not None
    assert run.id == again.id
    assert world.sent() == [run.id]
    done = world.train(run.id)
    assert (done.status, done.live) == ("done", True)
    assert world.versions.read(done.version).reason == "bootstrap"


@pytest.mark.usefixtures("few_drives")
def test_a_bootstrap_takes_the_place_of_the_packaged_model_alone() -> None:
    world = World(model=Fixed())
    world.train(world.trainings.begin("lightgbm", samples=samples(5)).id)
    run = world.trainings.bootstrap("lightgbm", tune=True)
    assert run is not None
    done = world.train(run.id)
    assert (done.status, done.live) == ("done", False)
    assert world.versions.active().version == "1.0.1"


@pytest.mark.usefixtures("few_drives")
def test_tuning_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, object]] = []
    monkeypatch.setattr(Runs, "progressed", lambda _runs, _claim, so_far: said.append(dict(so_far)))
    world = World(settings=Models(tune=True, tune_draws=2, tune_folds=2))
    run = world.trainings.bootstrap("lightgbm", tune=True)
    assert run is not None
    world.train(run.id)
    assert [word["draw"] for word in said if word.get("stage") == "tuning"] == [1, 2]


def test_torch_is_a_tasks_matter(world: World) -> None:
    run = world.trainings.begin("lstm", samples=samples(5), job="j")
    assert world.train(run.id).status == "waiting"
    assert world.runs.read(run.id).task == "task"
    world.cluster = False
    assert world.train(run.id).error == "no task can be started: set QUINTET_CLUSTER"
    assert told(world)[0] == 500


def test_no_run_waits_for_ever(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(5), job="j")
    world.trainings.look_after()
    assert world.sent() == [run.id]
    world.clock.advance(180)
    world.trainings.look_after()
    assert world.sent() == [run.id, run.id]
    world.clock.advance(GIVEN_UP_AFTER.total_seconds())
    world.trainings.look_after()
    assert world.runs.read(run.id).error == LATE
    assert told(world)[0] == 500


def test_a_run_whose_task_died_is_told_of(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(5), job="j")
    for _ in range(3):
        assert world.runs.claim(run.id)
        world.clock.advance(21 * 60)
        world.trainings.look_after()
    assert world.runs.read(run.id).status == "failed"
    assert told(world)[0] == 500


def test_waiting_ends_with_the_run_or_with_the_time(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(5))
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        world.clock.advance(seconds)

    assert world.trainings.waiting(run.id, 3, wait).status == "waiting"
    assert sum(waited) == 3
    world.train(run.id)
    assert world.trainings.waiting(run.id, 3, wait).status == "done"
    assert sum(waited) == 3


def test_samples_that_are_gone_are_a_refusal(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(5))
    world.objects.delete(run.samples_key)
    done = world.train(run.id)
    assert (done.status, done.error_status) == ("failed", 400)
    assert json.loads(said_of(done)[1])["type"] == "RequestValidationError"


def test_feedback_is_learnt_as_it_was_kept() -> None:
    world = World(model=Fixed())
    world.buffer.learn = [FeedbackSample.model_validate(one.model_dump() | {"success": False}) for one in samples(12)]
    world.trainings.retrain("lightgbm", "x")
    assert world.train(world.sent()[0]).answer


def test_samples_that_teach_nothing_are_a_refusal() -> None:
    alone = TrainingSample.model_validate({"optimal_antenna": "a", "rf_metrics": {"a": {"rsrp": -80}}})
    for kind in ("lightgbm", "online", "fixed_labels"):
        world = World()
        done = world.train(world.trainings.begin(kind, samples=[alone]).id)
        assert done.status == "done" or (done.error_status == 400 and "nothing to learn" in done.error)


def test_who_chose_a_version_after_it_was_asked_for_is_not_overruled(world: World) -> None:
    run = world.trainings.begin("lightgbm", samples=samples(40))
    other = world.versions.publish("lightgbm", {"pairs.onnx": b"x"}, features=("a",)).version
    world.clock.advance(5)
    world.versions.activate(other, reason=CHOSEN)
    done = world.train(run.id)
    assert (done.status, done.live) == ("done", False)
    assert world.versions.active().version == other
    again = world.trainings.begin("lightgbm", samples=samples(40))
    assert world.train(again.id).live


class Remembering(Fixed):
    """Keeps what it was shown."""

    def fit(self, examples: Sequence[Example], *, seed: int, progress: Progress = silent) -> Fit:
        self.shown = list(examples)
        return super().fit(examples, seed=seed, progress=progress)


def test_a_drift_learns_as_much_of_what_the_active_version_was_asked_to_learn(world: World) -> None:
    asked = samples(30)
    world.train(world.trainings.begin("lightgbm", samples=asked).id)
    model = Remembering()
    world.model, world.buffer.learn = model, feedback(20)
    world.trainings.retrain("lightgbm", "x")
    world.train(world.sent()[-1])
    assert [one.ue for one in model.shown[20:]] == [one.ue_id for one in asked[-20:]]


def test_without_any_it_learns_what_all_begin_with(world: World, few_drives: None) -> None:
    model = Remembering()
    world.model, world.buffer.learn = model, feedback(20)
    world.trainings.retrain("lightgbm", "x")
    world.train(world.sent()[-1])
    assert len(model.shown) == 40


def test_right_as_often_and_less_sure_is_not_better() -> None:
    class Unsure(Fixed):
        def _shares(self, look: Look) -> Floats:
            sure = super()._shares(look)
            unsure: Floats = 0.9 * sure + 0.1 / len(sure)
            return unsure

    world = World(active=Fixed(), model=Unsure())
    world.buffer.learn, world.buffer.held_back = feedback(40), feedback(30, seed=9)
    world.trainings.retrain("lightgbm", "once")
    judged = world.train(world.sent()[0])
    sure_wins = log_loss_of(Fixed(), world) < log_loss_of(Unsure(), world)
    assert judged.live != sure_wins


def log_loss_of(model: Fixed, world: World) -> float:
    examples = examples_of(world.buffer.held_back, 0.0)
    return log_loss(model.scores([one.look for one in examples]), [one.answer for one in examples])
