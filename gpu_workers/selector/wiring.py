"""Who plays which part in the selector. The room's own parts are those of quintet.handover.wiring."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, ClassVar

from aws_lambda_powertools import Logger

from gpu_workers.selector.ensemble_model import Ensemble
from gpu_workers.selector.sequence_model import SequenceRanking
from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.handover.examples import Example
from quintet.handover.learning import Model, Progress
from quintet.handover.making import growth
from quintet.handover.ranking import Ranking
from quintet.handover.runs import Run
from quintet.handover.settings import Models, Server
from quintet.handover.training import TrainingPlace, train
from quintet.handover.wiring import HandoverRoom, handover
from quintet.kernel.log import logger
from quintet.kernel.settings import HttpServerSettings, read

if TYPE_CHECKING:
    from quintet.entry.http_server import HttpServer


@dataclass
class SelectorTask:
    """Everything that one task needs, made when first asked for."""

    GRACE_SECONDS: ClassVar[float] = 20.0
    TURN_SECONDS: ClassVar[float] = 5.0
    """A training waits so long for another one's end, before it looks again; and PATIENCE times."""
    PATIENCE: ClassVar[int] = 240

    room: HandoverRoom = field(default_factory=handover)

    @cached_property
    def log(self) -> Logger:
        return logger("handover-selector")

    @cached_property
    def place(self) -> TrainingPlace:
        """The room's, which trains with torch, too."""
        here = self.room.training_place
        return replace(here, makers={**here.makers, "lstm": sequences, "ensemble": self.ensemble})

    def train(self, run: str) -> None:
        """Raises Unavailable where something is away. The run waits for its turn: one training is done at a time."""
        self.log.append_keys(run=run)
        for _ in range(self.PATIENCE):
            train(run, self.place)
            if self.place.runs.read(run).status != "waiting":
                return
            time.sleep(self.TURN_SECONDS)

    def collect(self, run: str) -> None:
        """Until its end, or until the task is told to stop: what is there by then is kept."""
        self.log.append_keys(run=run)
        stopping = Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        self.room.collections.perform(run, stopping.wait)

    def server(self) -> "HttpServer":
        from quintet.entry.http_server import HttpServer
        from quintet.handover.http import app

        self.room.check_place()
        ours = read(Server)
        settings = read(HttpServerSettings).model_copy(
            update={"host": ours.host, "certificate_file": ours.certificate_file, "key_file": ours.key_file}
        )
        return HttpServer(app, port=ours.port, settings=settings, errors=app.state.errors)

    def ensemble(self, examples: Sequence[Example], run: Run, progress: Progress) -> Model:
        trees = LightgbmTrees()
        return Ensemble(Ranking(trees, growth(trees, read(Models), examples, run, progress)), SequenceRanking())


def sequences(_examples: Sequence[Example], _run: Run, _progress: Progress) -> Model:
    return SequenceRanking()
