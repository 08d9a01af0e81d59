"""A small world in which the training room's use cases live through random histories.

Clients, the broker, SQS, ECS and the bucket are adapters in memory. What a real deployment would do again is done
again: a message whose handler died stays on its queue, and one that was handled may come once more.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import accumulate
from random import Random
from typing import Any, TypeVar

from quintet.adapters.memory import MemoryObjects, MemoryPublisher, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_tasks import MemoryTasks
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict, NotFound, QuintetError, Unavailable
from quintet.kernel.rows import Rows
from quintet.training import jobs
from quintet.training.access import Access
from quintet.training.detection import Detections, ModelInfo
from quintet.training.inference import Detecting
from quintet.training.jobs import Claim, Job, JobKey, Superseded
from quintet.training.ledger import Ledger, Outgoing
from quintet.training.manifest import onnx_key
from quintet.training.messages import DetectionOptions, Kind
from quintet.training.nudges import Nudge, Nudges
from quintet.training.outbox import Outbox
from quintet.training.settings import Defaults, QueueNames
from quintet.training.submission import Submissions
from quintet.training.tending import Tending
from quintet.training.waiting import Waiting
from quintet.training.work import Work
from tests.training.faults import Crash, Faults, FaultyObjects, FaultyPublisher, FaultyQueue, FaultyRows, FaultyTasks
from tests.training.witness import Violation, Witness, demand

CALLER = "broker"
GRANTS = {CALLER: ["datasets/", "models/", "images/"]}
ROUTES: dict[str, Kind] = {
    "train_request_q": "train",
    "convert_request_q": "convert",
    "inference_request_q": "inference",
}
Content = dict[str, Any]
Sent = tuple[str, dict[str, str]]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Parts:
    """What a flawed world has in the place of something sound."""

    rows: "Callable[[Rows, World], Rows]" = lambda rows, world: rows
    ledger: type[Ledger] = Ledger
    outbox: type[Outbox] = Outbox
    tending: type[Tending] = Tending
    checkpoint_first: bool = False
    hears_carelessly: bool = False
    settles_first: bool = False


class UnseenDetections(Detecting):
    """Detection whose models see nothing: an ONNX file that is there is enough."""

    def detect_at(self, caller: str, image: str, model: str | None, options: DetectionOptions) -> Detections:
        key = self.model_key(caller, model)
        try:
            self.objects.size(onnx_key(key))
        except NotFound:
            raise self._missing(caller, key) from None
        info = ModelInfo(model_path=key, confidence_threshold=options.conf, iou_threshold=options.iou)
        return Detections(annotations=(), total_detections=0, model_info=info, image_size=(32, 32))


@dataclass
class World:
    seed: int
    parts: Parts = field(default_factory=Parts)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.clock = SteppedClock()
        self.log: list[str] = []
        self.faults = Faults(self.random, self._interlude, crashes_left=self.random.randint(1, 5))
        self._make_room()
        self.clients = Clients(self.random, most=self.random.randint(1, 3))
        self.broker_requests: list[tuple[str, Content]] = []
        self.dead_letters: list[str] = []
        self.asked_for: dict[str, int] = {}
        self._in_hand: list[tuple[str, Sent]] = []
        self._depth = 0

    def _make_room(self) -> None:
        random, faults, clock = self.random, self.faults, self.clock
        names = QueueNames(outcomes_on_update_queue=random.random() < 0.7)
        self.stored = MemoryRows(clock)
        self.witness = Witness(self.stored, at_once=random.choice([1, 1, 2]), twice=names.outcomes_on_update_queue)
        rows = FaultyRows(self.stored, faults, self.witness.saw_written)
        self.ledger = self.parts.ledger(self.parts.rows(rows, self), clock)
        self.queues = {name: MemoryQueue() for name in ("train", "convert", "inference", "tend", "publish")}
        faulty = {name: FaultyQueue(queue, faults) for name, queue in self.queues.items()}
        self.routes = {name: faulty[kind] for name, kind in ROUTES.items()}
        self.broker = MemoryPublisher()
        self.outbox = self.parts.outbox(
            self.ledger, FaultyPublisher(self.broker, faults, self.witness.saw_published), names
        )
        self.bucket = MemoryObjects()
        self.bucket.put("models/own.pt", b"weights")
        self.bucket.put("models/ready.onnx", b"model")
        self.objects = FaultyObjects(self.bucket, faults)
        self.nudges = Nudges(faulty["tend"], faulty["publish"])
        self.tasks: MemoryTasks[Job] = MemoryTasks(self._program, self._stopped)
        self.tasks.capacity = random.choice([1, 2, 1000])
        waiting = Waiting(self.ledger, faulty["inference"], clock)
        access = Access(GRANTS)
        self.submissions = Submissions(self.ledger, access, Defaults(), self.nudges, clock)
        self.tending = self.parts.tending(
            self.ledger,
            FaultyTasks(self.tasks, faults),
            self.nudges,
            waiting,
            clock,
            at_once=self.witness.at_once,
            patience=timedelta(seconds=50),
        )
        nothing: Any = None
        self.detecting = UnseenDetections(
            models=nothing,
            images=nothing,
            source=nothing,
            objects=self.objects,
            access=access,
            ledger=self.ledger,
            nudges=self.nudges,
            waiting=waiting,
            clock=clock,
            default_model="own.pt",
            models_dir="models",
        )

    # A history

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self._come_to_rest()
        demand(not self.dead_letters, "something was given up", self.dead_letters)
        self.witness.verdict(asked_for=self.asked_for)

    def step(self) -> None:
        happening = self.random.choices(CHOICES, cum_weights=WEIGHTS)[0]
        happening(self)

    def _interlude(self) -> None:
        if self._depth < 2:
            self._depth += 1
            try:
                self._go_between()
            finally:
                self._depth -= 1

    def _go_between(self) -> None:
        """Often it is the same message, delivered once more while it is being handled."""
        if self._in_hand and self.random.random() < 0.4:
            self._deliver(*self._in_hand[-1])
        else:
            self.step()

    def _process(self, what: str, run: Callable[[], object]) -> bool:
        """Whether it got to its end; what a process raises is its own end alone."""
        try:
            run()
        except Crash as crash:
            self.log.append(f"{what} !! {crash}")
            return False
        except QuintetError as error:
            self.log.append(f"{what} ! {error!r}")
            if error.retry:
                return False
            self.dead_letters.append(f"{what}: {error!r}")
        else:
            self.log.append(what)
        return True

    # What happens

    def a_client_asks(self) -> None:
        queue, content = self.clients.ask()
        self.asked_for.setdefault(str(JobKey(CALLER, content["job_id"])), 1)
        self.broker_requests.append((queue, content))
        self.log.append(f"asked {queue} {content}")

    def a_request_is_relayed(self) -> None:
        if not self.broker_requests:
            return
        batch = self.broker_requests[: self.random.choice([1, 3])]

        def relay() -> None:
            for queue, content in batch:
                self.routes[queue].send(json.dumps(content))

        if self._process(f"relay {len(batch)}", relay):
            for one in batch:
                if one in self.broker_requests:
                    self.broker_requests.remove(one)

    def a_message_is_delivered(self) -> None:
        waiting = [(name, sent) for name, queue in self.queues.items() for sent in queue.sent]
        if waiting:
            name, sent = self.random.choice(waiting)
            self._deliver(name, sent)

    def _deliver(self, name: str, sent: Sent) -> None:
        if self.parts.settles_first:
            self._settle(name, sent)
        self._in_hand.append((name, sent))
        done = self._process(f"{name} {sent[0]}", lambda: self._handle(name, sent[0]))
        self._in_hand.pop()
        if done and (self.faults.calm or self.random.random() < 0.85):
            self._settle(name, sent)

    def _settle(self, name: str, sent: Sent) -> None:
        if sent in self.queues[name].sent:
            self.queues[name].sent.remove(sent)

    def _handle(self, name: str, body: str) -> None:
        if name == "tend":
            self.tending.look_after(Nudge.model_validate_json(body))
        elif name == "publish":
            self.outbox.drain(JobKey.parse(Nudge.model_validate_json(body).job))
        else:
            self._take(name, json.loads(body))  # type: ignore[arg-type]

    def _take(self, kind: Kind, content: Content, *, anew: bool = False) -> None:
        if anew:
            self.asked_for[str(JobKey(CALLER, content["job_id"]))] += 1
        job = self.submissions.take(kind, content, CALLER, correlation="c", anew=anew)
        if kind == "inference":
            self.detecting.perform(job)

    def somebody_wants_it_anew(self) -> None:
        if self.clients.asked:
            queue, content = self.random.choice(self.clients.asked)
            if self.stored_job(content["job_id"]) is not None:
                self._process(f"anew {content}", lambda: self._take(ROUTES[queue], content, anew=True))
                self.dead_letters = [one for one in self.dead_letters if not one.startswith("anew")]

    def stored_job(self, job_id: str) -> Job | None:
        return Ledger(self.stored, self.clock).find(JobKey(CALLER, job_id))

    def somebody_cancels(self) -> None:
        if self.clients.asked:
            key = JobKey(CALLER, self.random.choice(self.clients.asked)[1]["job_id"])
            self._process(f"cancel {key}", lambda: self._cancel(key))

    def _cancel(self, key: JobKey) -> None:
        try:
            job = self.ledger.amend(key, partial(jobs.cancel_asked, now=self.clock.now()))
        except (Conflict, NotFound):
            return
        if job.ended:
            self.nudges.publish(key)
        self.nudges.tend(key)

    def a_task_goes_on(self) -> None:
        if idle := self.tasks.idle():
            self._go_on(self.random.choice(idle))

    def _go_on(self, name: str) -> None:
        self._process(f"task {name}", lambda: self.tasks.step(name))

    def a_task_is_killed(self) -> None:
        if running := self.tasks.running():
            name = self.random.choice(running)
            self.log.append(f"kill {name}")
            self.tasks.kill(name)

    def a_task_is_asked_to_go(self) -> None:
        if running := self.tasks.running():
            self.tasks.stop(self.random.choice(running), "spot")

    def a_nudge_is_lost(self) -> None:
        queue = self.queues[self.random.choice(["tend", "publish"])]
        if queue.sent:
            self.log.append(f"lost {queue.sent.pop(self.random.randrange(len(queue.sent)))}")

    def a_detection_is_delivered_too_often(self) -> None:
        """It goes to the dead letters; its job stays."""
        for sent in self.queues["inference"].sent:
            job = self.stored_job(json.loads(sent[0])["job_id"])
            if job is not None and not job.ended:
                self._settle("inference", sent)
                self.log.append(f"given up {sent}")
                return

    def time_passes(self) -> None:
        self.clock.advance(self.random.choice([1, 5, 21, 70]))

    def the_schedule_sweeps(self) -> None:
        self._process("sweep", lambda: self.tending.look_after(Nudge(about="sweep")))

    def nothing_is_heard_for_long(self) -> None:
        self.clock.advance(70)
        self.the_schedule_sweeps()

    def the_broker_goes_or_comes(self) -> None:
        self.broker.away = not self.broker.away

    def the_cluster_goes_or_comes(self) -> None:
        self.tasks.away = not self.tasks.away

    # Until nothing moves any more

    def _come_to_rest(self) -> None:
        self.faults.calm = True
        self.broker.away = self.tasks.away = False
        for number in range(60):
            self._settle_everything()
            if self._at_rest():
                return
            self.clock.advance(25 if number < 40 else 1300)
            self.the_schedule_sweeps()
        raise Violation(f"it never came to rest: {[*self.ledger.active()]}, {self.ledger.unpublished()}")

    def _settle_everything(self) -> None:
        while self.broker_requests:
            self.a_request_is_relayed()
        for _ in range(200):
            waiting = [(name, sent) for name, queue in self.queues.items() for sent in queue.sent]
            idle = self.tasks.idle()
            if not waiting and not idle:
                return
            for name, sent in waiting:
                self._deliver(name, sent)
            for name in idle:
                self._go_on(name)
        raise Violation("messages and tasks without an end")

    def _at_rest(self) -> bool:
        return not ([*self.ledger.active()] or self.ledger.unpublished() or self.tasks.running())

    # Tasks

    def _stopped(self, job: Job, task: str, reason: str) -> None:
        """As EventBridge tells; some of what it tells is lost."""
        if self.random.random() < 0.7:
            nudge = Nudge(about="stopped", job=str(job.key), attempt=job.attempt, task=task, reason=reason)
            self.queues["tend"].send(nudge.model_dump_json())

    def _program(self, job: Job, task: str) -> Iterator[None]:
        hearing = Hearing(self.outbox, job.key, careless=self.parts.hears_carelessly)
        ledger = replace(self.ledger, on_outgoing=hearing.hear)
        work = Work(ledger, job.key, Claim(job.attempt, task), self.clock)
        steps = self._training(job, work, task) if job.kind == "train" else self._conversion(job, work)
        try:
            for _ in steps:
                hearing.tell()
                yield
        except Superseded:
            return
        hearing.tell()

    def _training(self, job: Job, work: Work, task: str) -> Iterator[None]:
        yield
        epochs = job.request["hyperparams"]["epochs"]
        insist(partial(work.start_training, {"model": "yolov8n"}, epochs))
        metrics = {"train_loss": job.attempt, "mAP50": 0.5}
        for epoch in range(self._checkpoint(job) + 1, epochs + 1):
            yield
            if self.tasks.stopping(task):
                insist(work.suspend)
                return
            if insist(work.alive).cancel_requested:
                insist(work.cancel)
                return
            if not self.faults.calm and self.random.random() < 0.05:
                end = self.random.choice([work.fail, work.give_up])
                insist(partial(end, "CUDA out of memory"))
                return
            self._finish(job, work, epoch, metrics)
        yield
        path = f"models/{job.job_id}.pt"
        insist(partial(self.objects.put, path, b"weights"))
        insist(partial(work.complete_training, model_path=path, metrics=metrics, epochs=epochs, seconds=1.5))

    def _finish(self, job: Job, work: Work, epoch: int, metrics: Content) -> None:
        keep = partial(self.objects.put, self._checkpoint_key(job), str(epoch).encode())
        if self.parts.checkpoint_first:
            insist(keep)
        insist(partial(work.finish_epoch, epoch, metrics))
        insist(keep)

    def _checkpoint_key(self, job: Job) -> str:
        return f"checkpoints/{job.key}/{job.run}"

    def _checkpoint(self, job: Job) -> int:
        """The last epoch that a task before this one has kept."""
        try:
            return int(self.objects.get(self._checkpoint_key(job))[0])
        except NotFound:
            return 0

    def _conversion(self, job: Job, work: Work) -> Iterator[None]:
        yield
        path = job.request["model_path"]
        insist(partial(work.start_conversion, model_path=path, target_format="onnx", options={}))
        yield
        made: Content = {"output_path": onnx_key(path), "seconds": 0.5, "model_info": {"file_name": "own.onnx"}}
        if insist(work.alive).cancel_requested:
            insist(work.cancel)
        elif path == "models/broken.pt":
            insist(partial(work.fail, "the weights are not readable"))
        else:
            insist(partial(self.objects.put, onnx_key(path), b"model"))
            insist(partial(work.complete_conversion, **made))


def insist(do: Callable[[], Answer]) -> Answer:
    """As tasks do: what is away for a moment does not end an hour's work."""
    for _ in range(20):
        try:
            return do()
        except Unavailable:
            continue
    raise AssertionError("away for too long")


@dataclass
class Hearing:
    """A task's own publisher. It tells what it hears of, and looks into the outbox where it has missed something."""

    outbox: Outbox
    key: JobKey
    careless: bool
    heard: deque[Outgoing] = field(default_factory=deque)
    last: int | None = None
    caught_up: bool = False

    def hear(self, outgoing: Outgoing) -> None:
        number = int(outgoing.name.rpartition("#")[2])
        if self.last is None or number != self.last + 1:
            self.caught_up = self.careless and self.caught_up
        self.last = number
        self.heard.append(outgoing)

    def tell(self) -> None:
        try:
            if not self.caught_up:
                self.outbox.drain(self.key)
                self.heard.clear()
                self.caught_up = True
            while self.heard:
                self.outbox.publish(self.heard[0])
                self.heard.popleft()
        except Unavailable:
            self.caught_up = False


HAPPENINGS: dict[Callable[[World], None], int] = {
    World.a_client_asks: 5,
    World.a_request_is_relayed: 10,
    World.a_message_is_delivered: 42,
    World.a_task_goes_on: 42,
    World.time_passes: 4,
    World.the_schedule_sweeps: 3,
    World.nothing_is_heard_for_long: 2,
    World.somebody_cancels: 2,
    World.somebody_wants_it_anew: 1,
    World.a_task_is_killed: 2,
    World.a_task_is_asked_to_go: 1,
    World.a_nudge_is_lost: 2,
    World.a_detection_is_delivered_too_often: 1,
    World.the_broker_goes_or_comes: 2,
    World.the_cluster_goes_or_comes: 1,
}
"""What may happen next, and how often it does."""

CHOICES, WEIGHTS = list(HAPPENINGS), list(accumulate(HAPPENINGS.values()))


@dataclass
class Clients:
    """Backends that ask for a few jobs, and often more than once for the same."""

    random: Random
    most: int
    asked: list[tuple[str, Content]] = field(default_factory=list)

    def ask(self) -> tuple[str, Content]:
        if self.asked and (len(self.asked) >= self.most or self.random.random() < 0.3):
            return self.random.choice(self.asked)
        self.asked.append(self._new())
        return self.asked[-1]

    def _new(self) -> tuple[str, Content]:
        job_id = f"job-{len(self.asked)}" if self.asked else "job #é"
        kind = self.random.choice(["train", "train", "convert", "inference", "inference"])
        weights = self.random.choice(
            ["models/own.pt", "models/own.pt", "models/ready.pt", "models/broken.pt", "models/none.pt"]
        )
        if kind == "train":
            prefix = self.random.choice(["datasets/a/"] * 9 + ["elsewhere/"])
            wanted: Content = {"dataset": {"s3_prefix": prefix}, "hyperparams": {"epochs": self.random.randint(1, 3)}}
        elif kind == "convert":
            wanted = {"model_path": weights, "target_format": "onnx"}
        else:
            wanted = {"image_path": "images/a.png", **self.random.choice([{}, {"model_path": weights}])}
        if self.random.random() < 0.05:
            wanted = {}
        return f"{kind}_request_q", {"job_id": job_id, **wanted}
