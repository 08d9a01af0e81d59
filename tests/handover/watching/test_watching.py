"""The look of each minute: everything is seen to, whatever is in the way of one part."""

from dataclasses import dataclass, field

import pytest

from quintet.adapters.river_detectors import RiverDetectors
from quintet.handover.data_watch import DataWatch
from quintet.handover.drift import Baseline, baseline_of, looks, seen
from quintet.handover.errors import ModelAltered
from quintet.handover.watching import Watch
from quintet.kernel.errors import Unavailable
from tests.handover.watching.feedback_room import FeedbackRoom, samples
from tests.handover.watching.looks_drawn import anywhere

WINDOW = looks(100)


@dataclass
class Model:
    """Raises `failure` where there is one."""

    baseline: Baseline
    failure: Exception | None = None

    def __call__(self) -> "Model":
        if self.failure:
            raise self.failure
        return self


@dataclass
class Scene:
    room: FeedbackRoom = field(default_factory=FeedbackRoom)
    model: Model = field(default_factory=lambda: Model(baseline_of(anywhere(0, 1000))))
    tended: int = 0
    failure: Exception | None = None
    drifts: int = 0

    def __post_init__(self) -> None:
        data = DataWatch(self.room.telemetry, self.model, RiverDetectors(), self.room.rows)
        self.watch = Watch(data, self.room.feedback, self.tend, self.hear)

    def tend(self) -> None:
        self.tended += 1
        if self.failure:
            raise self.failure

    def hear(self) -> None:
        self.drifts += 1

    def look_at(self, louder: float) -> None:
        looked = anywhere(1, 100, louder=louder)
        self.room.telemetry.add(*(seen(WINDOW, f"ue-{number}", look) for number, look in enumerate(looked)))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_data_drift_queues_one_retraining(scene: Scene) -> None:
    scene.room.feedback.take(samples("1" * 20))
    scene.look_at(louder=12.0)
    for _ in range(3):
        scene.watch.look()
        scene.room.clock.advance(400)
    assert [reason for _, reason in scene.room.asked] == ["data"]
    assert scene.tended == 3


def test_without_feedback_a_data_drift_is_told_of_alone(scene: Scene) -> None:
    scene.look_at(louder=12.0)
    scene.watch.look()
    assert scene.room.asked == []
    assert scene.room.counted("ml_drift_events_total") == {("data",): 1}
    assert scene.drifts == 1


def test_where_all_is_as_it_was_nothing_is_asked_for(scene: Scene) -> None:
    scene.room.feedback.take(samples("1" * 60))
    scene.look_at(louder=0.0)
    scene.watch.look()
    assert scene.room.asked == []


def test_a_retraining_that_was_not_queued_is_now(scene: Scene) -> None:
    scene.room.failure = Unavailable("the queue does not answer")
    scene.room.feedback.take(samples("0" * 50))
    with pytest.raises(Unavailable):
        scene.watch.look()
    scene.room.failure = None
    scene.watch.look()
    scene.watch.look()
    assert len(scene.room.asked) == 1


def test_what_is_in_the_way_of_one_part_is_not_in_that_of_the_others(scene: Scene) -> None:
    scene.room.feedback.take(samples("1" * 20))
    scene.look_at(louder=12.0)
    scene.failure = Unavailable("the state table does not answer")
    with pytest.raises(Unavailable, match="the state table"):
        scene.watch.look()
    assert [reason for _, reason in scene.room.asked] == ["data"]


def test_an_altered_model_stops_neither_trainings_nor_feedback(scene: Scene) -> None:
    scene.model.failure = ModelAltered("the manifest is not signed")
    scene.room.failure = Unavailable("away")
    scene.room.feedback.take(samples("0" * 50))
    scene.room.failure = None
    with pytest.raises(ModelAltered):
        scene.watch.look()
    assert (scene.tended, len(scene.room.asked)) == (1, 1)
