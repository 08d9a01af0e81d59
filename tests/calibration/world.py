"""A worker on doubles, one step at a time, that may die before and after whatever it writes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_streams import MemoryStreams
from quintet.calibration.admission import Admission
from quintet.calibration.calibrator import NOTIFICATIONS, Calibrator, Manner, Means
from quintet.calibration.closing import Aftermath, Closing, Files
from quintet.calibration.evaluation import Evaluator, Result, Stages
from quintet.calibration.kept import RESULT, kept_as
from quintet.calibration.ledger import Ledger
from quintet.calibration.live import Live
from quintet.calibration.messages import Registration, Session
from quintet.calibration.pb.calibration_pb2 import PredictionList, Predictions
from quintet.calibration.pb.dataset_pb2 import DataBatchLabeled
from quintet.calibration.tending import RELEASED, Tending
from quintet.kernel.clock import SystemClock
from quintet.kernel.streams import Delivery

STAGES = Stages(calibration_batches=2, uncertainty_batches=2)


class Crash(BaseException):
    """The process is gone: nobody catches this."""


@dataclass
class Fate:
    """Dies at the steps whose numbers are in `crashes`; a step is the moment before or after a write."""

    crashes: Sequence[int] = ()
    step: int = 0

    def tick(self) -> None:
        self.step += 1
        if self.step in self.crashes:
            raise Crash


class Mortal:
    """Something of which some methods are writes."""

    def __init__(self, whole: object, writes: Iterable[str], fate: Fate) -> None:
        self._whole, self._writes, self._fate = whole, set(writes), fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._whole, name)
        if name not in self._writes:
            return method

        def write(*arguments: Any, **named: Any) -> Any:
            self._fate.tick()
            answer = method(*arguments, **named)
            self._fate.tick()
            return answer

        return write


@dataclass
class World:
    """What outlives a worker."""

    fate: Fate = field(default_factory=Fate)
    manner: Manner = field(default_factory=lambda: Manner(clients=100, timeout=1e9, lease=1e9))
    prefetch: int = 8
    group: int = 1000
    """Messages in a commit, at most."""

    def __post_init__(self) -> None:
        self.streams = MemoryStreams(prefetch=self.prefetch, patience=3)
        self.objects = MemoryObjects()
        self.rows = MemoryRows()
        self.ledger = Ledger(self.rows, SystemClock())
        self.told: list[tuple[str, str]] = []
        self.deaths = 0
        self.worker = Worker(self)

    def call(self, client: str = "ana", *, wait: Callable[[], object] = lambda: None, **more: Any) -> str:
        """Register, as often as it takes; the session's id."""
        registration = Registration(
            client_id=client,
            **{"inputs_queue": f"{client} in", "outputs_queue": f"{client} out", "via": "grpc", **more},
        )
        self.streams.put(registration.inputs_queue)
        self.streams.put(registration.outputs_queue)
        while True:
            try:
                return self.worker.calibrator.register(registration).id
            except Crash:
                self.replace()
            current = self.ledger.current(client)
            if current is not None:
                return current.id

    def run(self, turns: int = 50) -> None:
        """Until nothing more happens. A worker that dies is replaced."""
        for _ in range(turns):
            try:
                if not self.worker.turn():
                    return
            except Crash:
                self.replace()
        raise AssertionError("it does not come to an end")

    def replace(self) -> None:
        """The worker is dead; another takes over what it served, or dies on the way."""
        while True:
            self.deaths += 1
            self.worker.die()
            self.worker = Worker(self)
            try:
                self.worker.begin()
            except Crash:
                continue
            return

    def result(self, session_id: str) -> bytes:
        return self.objects.get(kept_as(self.ledger.read(session_id), RESULT))[0]

    def session(self, session_id: str) -> Session:
        return self.ledger.read(session_id)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.objects.keys() if key.startswith(prefix)]  # noqa: SIM118


class Worker:
    def __init__(self, world: World) -> None:
        self._world = world
        fate = world.fate
        self.events: list[tuple[str, Any]] = []
        means = Means(
            Ledger(Mortal(world.rows, {"write"}, fate), SystemClock()),
            Mortal(world.streams, {"settle"}, fate),
            Mortal(world.objects, {"put"}, fate),
            SystemClock(),
        )
        self.calibrator = Calibrator(
            means,
            world.manner,
            lambda: Evaluator(STAGES),
            on_event=lambda event, said: self.events.append((event, said)),
        )
        self._ended: list[Live] = []
        self._group: list[Delivery] = []
        self.calibrator.on_ended = self._ended.append
        self.closing = Closing(self.calibrator, Aftermath(files=report, tell=self._tell))
        self.tending = Tending(self.calibrator, self.closing, connections_queue="connections")
        self.admission = Admission(self.calibrator, self.tending.pause_listening)
        if world.deaths == 0:
            world.ledger.announce(self.calibrator.tenure.worker)
            world.streams.start(self)

    def begin(self) -> None:
        """In the place of a dead one."""
        self._world.streams.start(self)
        self.calibrator.start()
        self.tending.take_over_the_dead()

    def die(self) -> None:
        for session in list(self._world.streams._sessions):
            self._world.streams.close(session)
        if self.calibrator.tenure.worker in self._world.ledger.workers():
            self._world.ledger.renew(self.calibrator.tenure.worker, RELEASED, 0)

    def received(self, delivery: Delivery) -> None:
        if delivery.side == NOTIFICATIONS:
            self.admission.admit(delivery)
        else:
            self._group.append(delivery)

    def trouble(self, session: str, problem: str, final: bool) -> None:
        self.calibrator.trouble(session, problem, final)

    def recovered(self, session: str) -> None:
        self.calibrator.recovered(session)

    def turn(self) -> bool:
        """Whether anything happened."""
        came = self._world.streams.pump()
        while self._group:
            group, self._group = self._group[: self._world.group], self._group[self._world.group :]
            self.calibrator.commit(group)
        self.closing.again()
        closed = len(self._ended)
        while self._ended:
            self.closing.close(self._ended.pop(0))
        while self.closing._waiting.qsize():
            live = self.closing._waiting.get()
            if live is not None:
                self.closing.close(live)
                closed += 1
        return bool(came or closed)

    def _tell(self, session: Session) -> str:
        self._world.fate.tick()
        self._world.told.append((session.id, session.state))
        self._world.fate.tick()
        return "told"


def report(live: Live, result: Result) -> Files:
    return {"report.html": (f"{live.session.state} {result.rows}".encode(), "text/html")}


Batch = tuple[Any, Any]
"""Probabilities (n, K) and labels (n,)."""


def batches(count: int, rows: int = 4, classes: int = 3, seed: int = 0) -> list[Batch]:
    random = np.random.default_rng(seed)
    return [
        (random.dirichlet(np.ones(classes), rows).astype(np.float32), random.integers(0, classes, rows))
        for _ in range(count)
    ]


def inputs_of(index: int, batch: Batch, *, last: bool, session_id: str = "", data: bytes = b"") -> bytes:
    message = DataBatchLabeled(data=data or np.full(len(batch[1]), index, "<f4").tobytes(), labels=batch[1].tolist())
    message.batch_index, message.is_last_batch = index, last
    if session_id:
        message.session_id = session_id
    return message.SerializeToString()


def outputs_of(index: int, batch: Batch, *, last: bool, session_id: str = "") -> bytes:
    rows = [PredictionList(values=row) for row in batch[0].tolist()]
    return Predictions(pred=rows, eof=last, batch_index=index, session_id=session_id).SerializeToString()


def messages(found: Sequence[Batch], session_id: str = "") -> tuple[list[bytes], list[bytes]]:
    """Of both queues, in order."""
    last = len(found) - 1
    inputs = [inputs_of(index, batch, last=index == last, session_id=session_id) for index, batch in enumerate(found)]
    outputs = [outputs_of(index, batch, last=index == last, session_id=session_id) for index, batch in enumerate(found)]
    return inputs, outputs


def judged(found: Sequence[Batch]) -> bytes:
    """What the result must be, made without any worker."""
    evaluator = Evaluator(STAGES)
    for index, (probabilities, labels) in enumerate(found):
        evaluator.add(index, probabilities, labels)
    return evaluator.result().model_dump_json().encode()
