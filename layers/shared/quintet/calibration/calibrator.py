"""The calibrator: one worker's sessions, from the registration to the end.

A message is acknowledged only once its half stands in the journal and the worker's lease was still good after that:
whoever takes the worker's sessions over then has every half whose message the broker has forgotten.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Event, RLock
from typing import Any, TypeVar
from urllib.parse import quote

from quintet.calibration.evaluation import Evaluator
from quintet.calibration.health import Condition
from quintet.calibration.journal import Fresh, Journal, Taken
from quintet.calibration.ledger import Ledger
from quintet.calibration.live import End, Limits, Live
from quintet.calibration.messages import INPUTS, OUTPUTS, Registration, Session, Side
from quintet.calibration.ports import Objects
from quintet.calibration.registration import is_session_id
from quintet.calibration.wire import InputsHalf, OutputsHalf, fits, inputs_half, outputs_half, side_of
from quintet.kernel.clock import Clock, stopwatch
from quintet.kernel.errors import InvalidInput, Overloaded, QuintetError, Unavailable
from quintet.kernel.ids import new_id
from quintet.kernel.streams import Delivery, Streams

NOTIFICATIONS = "notifications"
MIXED = "mixed"
"""The side of a queue that carries both halves, as that of a client registered with nothing but a routing key."""
HELD_UP_SECONDS = 2.0
PAUSES = (0.1, 0.5, 1.0, 2.0)
"""Seconds between tries to write a segment, the last of them for ever."""

STRAY_BYTES = 16 * 1024 * 1024
"""Of a session, on their way aside."""

Answer = TypeVar("Answer")
Guard = Callable[[], AbstractContextManager[None]]
"""Around what is done for one session: what nobody foresaw becomes an error of the house, and ends that one alone."""

OnEvent = Callable[[str, Mapping[str, Any]], None]


@dataclass
class Tenure:
    """A name under which this process serves sessions, and its journal. Lost for good once the lease runs out."""

    journal: Journal
    worker: str
    seconds: float
    renewed_at: float = field(default_factory=stopwatch)
    beat: int = 0
    lost: bool = False

    def good(self) -> bool:
        """Whether nobody can have taken our sessions over yet."""
        return not self.lost and stopwatch() - self.renewed_at < self.seconds


@dataclass(frozen=True)
class Means:
    """What a worker works with."""

    ledger: Ledger
    streams: Streams
    objects: Objects
    clock: Clock


@dataclass(frozen=True)
class Manner:
    """How this worker works."""

    clients: int = 100
    timeout: float = 60.0
    lease: float = 15.0
    keep_inputs: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, eq=False, slots=True)
class _Reading:
    """A message as it was read: `fresh` where it says something new, `stray` where it is of another session."""

    delivery: Delivery
    live: Live
    fresh: Fresh | None = None
    problem: str = ""
    stray: bool = False


class Calibrator:
    """`on_ended` is told of each session that ends; `on_event` of what operators should read."""

    def __init__(
        self,
        means: Means,
        manner: Manner,
        evaluator: Callable[[], Evaluator],
        *,
        on_event: OnEvent,
        guard: Guard = nullcontext,
    ) -> None:
        self.ledger = means.ledger
        self.streams = means.streams
        self.objects = means.objects
        self.clock = means.clock
        self.manner = manner
        self.on_event = on_event
        self.on_admitted: Callable[[Live], None] = lambda live: None
        self.on_ended: Callable[[Live], None] = lambda live: None
        self.on_stray: Callable[[Delivery, Live], None] = self.keep_stray
        self.on_released: Callable[[str], None] = lambda session: None
        self.stopping = Event()
        self._evaluator = evaluator
        self.guard = guard
        self._lives: dict[str, Live] = {}
        self._coming = 0
        self._committing_at: float | None = None
        self._lock = RLock()
        self.tenure = self._new_tenure()

    def start(self) -> None:
        """Announce ourselves. Raises Unavailable."""
        self.ledger.announce(self.tenure.worker)
        self.tenure.renewed_at = stopwatch()

    def lives(self) -> list[Live]:
        with self._lock:
            return list(self._lives.values())

    def live(self, session_id: str) -> Live | None:
        return self._lives.get(session_id)

    @property
    def clients(self) -> int:
        """Sessions that have not ended."""
        return sum(live.ending is None for live in self.lives())

    @property
    def room(self) -> int:
        """How many more clients may be served here."""
        with self._lock:
            serving = self.tenure.good() and not self.stopping.is_set()
            return max(self.manner.clients - self.clients - self._coming, 0) if serving else 0

    @property
    def held_up(self) -> bool:
        """Whether messages have come that can't be made durable: nobody knows who is silent then."""
        since = self._committing_at
        return since is not None and stopwatch() - since > HELD_UP_SECONDS

    def register(self, registration: Registration) -> Session:
        """Durable when it returns; the queues are opened after it.

        Raises Conflict where the client is registered already, Overloaded where this worker has no room, and
        Unavailable.
        """
        tenure = self.tenure
        if not tenure.good() or self.stopping.is_set():
            raise Unavailable("this worker is stopping or has lost its lease: try again")
        with self._place():
            session = self.ledger.enter(registration, worker=tenure.worker, first=tenure.journal.next)
            for live in self.lives():
                if live.session.client_id == session.client_id:  # it has ended and still reads the same queues
                    self.streams.close(live.session.id)
            self.admit([self.revived(session)], tenure)
        self.on_event("registered", {"session": session.id, "client": session.client_id, "via": session.via})
        return session

    def revived(self, session: Session) -> Live:
        """A session without what was taken of it, which is still to be replayed."""
        live = Live(session, self._evaluator, self.manner.limits)
        if session.ended:
            live.sealed = End(session.state, session.reason)
        return live

    def admit(self, lives: Iterable[Live], tenure: Tenure) -> None:
        """Serve these sessions, unless the lease under which they were got is lost."""
        for live in lives:
            with self._lock:
                if tenure.lost or tenure is not self.tenure:
                    return
                self._lives[live.session.id] = live
            live.heard_at = stopwatch()
            self.on_admitted(live)
            if live.sealed is not None:
                live.end(live.sealed)
            if live.sealed is None and (live.ending is None or live.ending.state == "COMPLETED"):
                live.ended_at = stopwatch()  # what is complete by its journal may have copies on its queues
                self.streams.open(live.session.id, live.session.client_id, queues_of(live.session))
            self._look(live)

    def release(self, live: Live) -> None:
        """Nothing more is to be done for it here; nothing happens where the session is served anew meanwhile."""
        with self._lock:
            if self._lives.get(live.session.id) is not live:
                return
            del self._lives[live.session.id]
        self.streams.close(live.session.id)
        self.on_released(live.session.id)

    def commit(self, deliveries: Sequence[Delivery]) -> None:
        """Make these messages' halves durable, judge what can be judged, and acknowledge them: one thread does it."""
        self._committing_at = stopwatch()
        try:
            self._commit(deliveries, self.tenure)
        finally:
            self._committing_at = None

    def _commit(self, deliveries: Sequence[Delivery], tenure: Tenure) -> None:
        readings = [reading for delivery in deliveries if (reading := self._read(delivery)) is not None]
        readings = self._without_those_of_the_next(readings)
        fresh = [reading.fresh for reading in readings if reading.fresh is not None]
        halves = iter(self._written(fresh, tenure) if fresh else [])
        if not tenure.good():
            self.on_event("lease lost before messages could be acknowledged", {"messages": len(deliveries)})
            return
        settled = [
            reading.delivery for reading in readings if self._apply(reading, next(halves) if reading.fresh else None)
        ]
        touched = {id(reading.live): reading.live for reading in readings}.values()
        for live in touched:
            self.guarded(live, live.judge)
        self.streams.settle(settled)
        for live in touched:
            self._look(live)

    def end(self, live: Live, ending: End) -> None:
        self.guarded(live, live.judge)  # what was taken came before the end
        live.end(ending)
        self._look(live)

    def condition(self) -> Condition:
        state, troubles = self.streams.state(), [live.waits for live in self.lives() if live.ending is None]
        said = [f"messages can't be received: {state.problem}"] if not state.connected else []
        serving = self.tenure.good() and not self.stopping.is_set()
        return Condition(serving, self.clients, (*said, *filter(None, troubles)))

    def trouble(self, session: str, problem: str, final: bool) -> None:
        live = self.live(session)
        said = {"session": session, "problem": problem}
        self.on_event("a queue can't be consumed" if final else "a queue is not there", said)
        if live is None:
            return
        live.trouble = problem
        if final:
            self.end(live, End("FAILED", problem))

    def recovered(self, session: str) -> None:
        live = self.live(session)
        if live is not None:
            live.trouble = ""
            live.heard_at = stopwatch()

    def reset(self) -> None:
        """The lease is lost: others may serve our sessions now. Begin anew, with none, under another name."""
        with self._lock:
            self.tenure.lost = True
            lost, self._lives = list(self._lives), {}
        for session in lost:
            self.streams.close(session)
            self.on_released(session)
        tenure = self._new_tenure()
        self.ledger.announce(tenure.worker)
        tenure.renewed_at = stopwatch()
        self.tenure = tenure

    def _new_tenure(self) -> Tenure:
        worker = new_id()
        journal = Journal(self.objects, worker, keep_inputs=self.manner.keep_inputs)
        return Tenure(journal, worker, self.manner.lease)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """For one client more, also while others are on their way in."""
        with self._lock:
            if self.room < 1:
                raise Overloaded(f"this worker serves {self.manner.clients} clients already: try again later")
            self._coming += 1
        try:
            yield
        finally:
            with self._lock:
                self._coming -= 1

    def _without_those_of_the_next(self, readings: Sequence[_Reading]) -> list[_Reading]:
        """A client that has come again may send the very same: that is no copy of what its ended session knows."""
        ended = {id(reading.live): reading.live for reading in readings if reading.live.ending is not None}
        over = {key for key, live in ended.items() if self._was_followed(live.session)}
        return [reading for reading in readings if id(reading.live) not in over]

    def _was_followed(self, session: Session) -> bool:
        current = self._surely(lambda: self.ledger.current(session.client_id))
        return current is not None and current.id != session.id

    def _read(self, delivery: Delivery) -> _Reading | None:
        """None for a message of a session that is over: it goes back to its queue, with the channel."""
        live = self.live(delivery.session)
        if live is None or (live.ending is not None and live.ending.state != "COMPLETED"):
            return _Reading(delivery, live, stray=True) if live is not None and live.drains else None
        try:
            return self._judged(delivery, live)
        except QuintetError as error:
            return _Reading(delivery, live, problem=f"a message on the {delivery.side} queue: {error.message}")

    def _judged(self, delivery: Delivery, live: Live) -> _Reading | None:
        with self.guard():
            side = side_of(delivery.body) if delivery.side == MIXED else side_called(delivery.side)
            half = self._half(delivery.body, side, live)
        if half.session_id and live.session.via == "notification" and half.session_id != live.session.id:
            return self._stray(delivery, live, half.session_id)
        fresh = fresh_of(live.session.id, side, half)
        if live.knows(fresh.half):
            return _Reading(delivery, live)
        return _Reading(delivery, live, fresh) if live.ending is None else None

    def _half(self, body: bytes, side: Side, live: Live) -> InputsHalf | OutputsHalf:
        if side == OUTPUTS:
            return outputs_half(body, self.manner.limits.batches - 1)
        half = inputs_half(body, self.manner.limits.batches - 1)
        fits(half, live.shape)
        return half

    def _stray(self, delivery: Delivery, live: Live, session_id: str) -> _Reading | None:
        """A message of an ended session is set aside; one of a session that we do not know makes this one give way."""
        if not is_session_id(session_id):
            raise InvalidInput(f"there can be no session with the id {session_id[:50]!r}")
        if session_id not in live.strays:
            if len(live.strays) >= self.manner.limits.strays:
                return _Reading(delivery, live, problem="messages of too many other sessions are on its queues")
            known = self._known_session(session_id)
            if known is None or not known.ended:
                reason = f"messages of session {session_id} are on its queues: that one takes its place"
                return _Reading(delivery, live, problem=reason, stray=True)
            live.strays.add(session_id)
        return _Reading(delivery, live, stray=True)

    def _known_session(self, session_id: str) -> Session | None:
        return self._surely(lambda: self.ledger.find(session_id))

    def _written(self, fresh: Sequence[Fresh], tenure: Tenure) -> Sequence[Taken]:
        return self._surely(lambda: tenure.journal.write(fresh))

    def _surely(self, do: Callable[[], Answer]) -> Answer:
        """Tried until it is done: what has been received meanwhile goes back to the broker, which keeps it for us."""
        tries = 0
        while True:
            try:
                return do()
            except Unavailable as error:
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                tries += 1
                self.on_event("commit failed", {"reason": error.message, "tries": tries})
                if self.stopping.wait(pause) and tries > len(PAUSES):
                    raise

    def _apply(self, reading: _Reading, half: Taken | None) -> bool:
        """Whether its message is done with; `half` is what is durable of it."""
        live = reading.live
        if half is not None:
            self.take(live, half)
            return True
        if reading.problem:
            self.guarded(live, live.judge)
            if live.ending is None and not reading.stray:
                live.rejects.append((reading.delivery, reading.problem))
            live.fail(reading.problem)
            return False
        if reading.stray:
            if live.strayed(len(reading.delivery.body)) > STRAY_BYTES:
                live.fail("too many messages of other sessions are on its queues")
            else:
                self.on_stray(reading.delivery, live)
            return False
        self.guarded(live, live.repeat)
        return True

    def take(self, live: Live, half: Taken) -> None:
        """A half that is durable; what nobody foresaw ends this session alone."""
        try:
            with self.guard():
                live.take(half)
        except QuintetError as error:
            live.fail(f"{half.side} {half.index}: {error.message}")

    def guarded(self, live: Live, do: Callable[[], None]) -> None:
        """Something for one session; what nobody foresaw ends it alone."""
        try:
            with self.guard():
                do()
        except QuintetError as error:
            live.fail(error.message)

    def keep_stray(self, delivery: Delivery, live: Live) -> None:
        """A message of a session that has ended is kept aside and acknowledged; the first of them is told of."""
        key = self._keep(delivery, live.session)
        self.streams.settle([delivery])
        live.strayed(-len(delivery.body))
        if not live.kept_strays:
            self.on_event("messages of ended sessions are set aside", {"session": live.session.id, "first": key})
        live.kept_strays = True

    def set_aside(self, delivery: Delivery, session: Session, why: str) -> None:
        """Keep a message that nobody can use, before it is acknowledged."""
        key = self._keep(delivery, session)
        self.on_event("a message was set aside", {"session": session.id, "key": key, "why": why})

    def _keep(self, delivery: Delivery, session: Session) -> str:
        """Under which key; the same message is kept once."""
        key = f"{aside_folder(session)}/{sha256(delivery.body).hexdigest()}.message"
        self._surely(lambda: self.objects.put(key, delivery.body))
        return key

    def _look(self, live: Live) -> None:
        """Whether it has ended now; told once."""
        with live.lock:
            if live.ending is None or live.told:
                return
            live.told = True
        self.on_ended(live)


def fresh_of(session: str, side: Side, half: InputsHalf | OutputsHalf) -> Fresh:
    if isinstance(half, InputsHalf):
        taken = Taken(session, side, half.index, half.last, half.digest, half.labels, len(half.data))
        return Fresh(taken, half.data)
    return Fresh(Taken(session, side, half.index, half.last, half.digest, half.probabilities))


def side_called(name: str) -> Side:
    return INPUTS if name == INPUTS else OUTPUTS


def queues_of(session: Session) -> Mapping[str, str]:
    if session.inputs_queue == session.outputs_queue:
        return {MIXED: session.inputs_queue}
    return {INPUTS: session.inputs_queue, OUTPUTS: session.outputs_queue}


def aside_folder(session: Session) -> str:
    """Where messages lie that nobody could use."""
    return f"calibration/aside/{quote(session.client_id, safe='')}/{session.id}"
