"""The selector: what it is told to do, and that it does it; skipped where torch is not installed."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.handover.learning.place import World, samples

if TYPE_CHECKING:
    from gpu_workers.selector.wiring import SelectorTask

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch's exporter


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    for name in ("torch", "onnxscript"):
        pytest.importorskip(name, reason="trained in an environment of its own, see gpu_workers/selector")


class Room:
    """A room that is all in memory."""

    def __init__(self, world: World) -> None:
        self.training_place = world.place
        self.collected: list[str] = []
        self.collections = self

    def perform(self, run: str, wait: object) -> None:
        self.collected.append(run)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def worker(world: World) -> "SelectorTask":
    from gpu_workers.selector.wiring import SelectorTask

    return SelectorTask(Room(world))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["lstm", "ensemble"])
def test_it_trains_what_functions_hand_over(world: World, worker: "SelectorTask", kind: str) -> None:
    run = world.trainings.begin(kind, samples=samples(60), job="j")  # type: ignore[arg-type]
    assert world.train(run.id).status == "waiting"
    assert [started for started, _ in world.tasks] == [run.id]
    worker.train(run.id)
    done = world.runs.read(run.id)
    assert (done.status, done.live) == ("done", True)
    manifest = world.versions.read(done.version)
    assert manifest.kind == kind
    assert (manifest.length, len(manifest.sequence_features) > 5) == (10, True)
    assert "sequences.onnx" in manifest.files
    assert world.told.fulfilled[0][2] == 200


def test_it_waits_for_its_turn(world: World, worker: "SelectorTask", monkeypatch: pytest.MonkeyPatch) -> None:
    first, run = (
        world.trainings.begin("lightgbm", samples=samples(5)),
        world.trainings.begin("lstm", samples=samples(20)),
    )
    claim = world.runs.claim(first.id)
    assert claim is not None
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        world.runs.fail(claim, "enough", 500)

    monkeypatch.setattr("gpu_workers.selector.wiring.time.sleep", wait)
    worker.train(run.id)
    assert waits == [5.0]
    assert world.runs.read(run.id).status == "done"


def test_it_collects(worker: "SelectorTask") -> None:
    worker.collect("run-1")
    assert worker.room.collected == ["run-1"]  # type: ignore[attr-defined]


def test_another_verb_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from gpu_workers.selector.main import main

    for arguments in ([], ["train"], ["dance", "x"], ["serve", "x"]):
        assert main(arguments) == 2
    assert "train RUN" in capsys.readouterr().err


def test_the_loss_is_the_softmax_of_each_look() -> None:
    import torch

    from gpu_workers.selector.sequence_network import list_loss

    scores = torch.tensor([1.0, 2.0, 0.5, -1.0, 700.0])
    loss = list_loss(scores, torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1, 2, 4]), 3)
    expected = -np.mean([np.log(np.e**2 / (np.e + np.e**2)), np.log(np.e**0.5 / (np.e**0.5 + np.e**-1)), 0.0])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
