"""Many processes use the keys of a few jobs at once; what each was told, and when, is a history.

A history is linearizable (Herlihy and Wing 1990) if its operations can be put in an order that keeps to their times
and in which one after the other, each would have been told the same. The search is Wing and Gong's (1993), which
remembers where it has been, as Lowe's (2017) does.
"""

import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any, Literal, NamedTuple

from redis import Redis

from quintet.adapters.redis_connection import RedisConnection
from quintet.adapters.redis_jobs import RedisJobKeys, clients_key, job_key
from quintet.kernel.job_keys import DurableJob, JobHash, JobKeys, Recorded

PROCESSES = 5

Kind = Literal["record", "read", "lose"]
KINDS: tuple[Kind, ...] = ("record", "read", "lose")

State = frozenset[str] | None
"""The clients that are counted; None: the keys are lost."""


class Operation(NamedTuple):
    """`known` is what was durable when it began. Times are of the machine's one monotonic clock, in nanoseconds."""

    kind: Kind
    job: str
    began: int
    ended: int
    client: str = ""
    known: frozenset[str] = frozenset()
    total: int = 0
    told: tuple[Any, ...] | None = None


def after(state: State, operation: Operation) -> tuple[tuple[Any, ...] | None, State]:
    """What one is told who is alone, and what is so then."""
    if operation.kind == "lose":
        return None, None
    if operation.kind == "read":
        return (None if state is None else (len(state), *sorted(state))), state
    standing = operation.known if state is None else state
    stranger = operation.client not in standing
    full = stranger and len(standing) >= operation.total
    counted = standing | {operation.client} if stranger and not full else standing
    return (stranger and not full, len(counted), operation.total, full, state is None), counted


def is_linearizable(history: Iterable[Operation]) -> bool:
    """Of one job, whose keys are lost in the beginning."""
    operations = sorted(history, key=lambda operation: operation.began)
    everything = (1 << len(operations)) - 1
    seen: set[tuple[int, State]] = set()
    reached: list[tuple[int, State]] = [(0, None)]
    while reached:
        done, state = reached.pop()
        if done == everything:
            return True
        for number in may_be_next(operations, done):
            told, then = after(state, operations[number])
            step = (done | 1 << number, then)
            if told == operations[number].told and step not in seen:
                seen.add(step)
                reached.append(step)
    return False


def may_be_next(operations: Sequence[Operation], done: int) -> list[int]:
    """Those that began before any other that is left had ended."""
    found: list[int] = []
    earliest_end = float("inf")
    for number, operation in enumerate(operations):
        if operation.began > earliest_end:
            break
        if not done >> number & 1:
            found.append(number)
            earliest_end = min(earliest_end, operation.ended)
    return found


@dataclass
class Counters:
    """The original's way to count: it looks, and then does."""

    url: str
    redis: Any = field(init=False)

    def __post_init__(self) -> None:
        self.redis = Redis.from_url(self.url, decode_responses=True)

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        created = not self.redis.exists(job_key(job))
        if created:
            self.redis.hset(job_key(job), mapping={"totalClients": durable.total, "doneCount": len(durable.clients)})
            if durable.clients:
                self.redis.sadd(clients_key(job), *durable.clients)
        stranger = not self.redis.sismember(clients_key(job), client)
        done = int(self.redis.hget(job_key(job), "doneCount") or 0)
        time.sleep(0.0005)
        if stranger and done < durable.total:
            self.redis.sadd(clients_key(job), client)
            done = self.redis.hincrby(job_key(job), "doneCount", 1)
            return Recorded(True, done, durable.total, created=created)
        return Recorded(False, done, durable.total, stranger, created)

    def read(self, job: str) -> JobHash | None:
        found = self.redis.hgetall(job_key(job))
        clients = tuple(self.redis.smembers(clients_key(job)))
        return JobHash(3, int(found.get("doneCount", 0)), "", "", clients) if found else None


@dataclass(frozen=True)
class Hammer:
    """What a process does: `operations` of them, on `jobs` of `total` clients each, by more clients than that."""

    url: str
    seed: int
    kind: Literal["script", "original"] = "script"
    operations: int = 60
    jobs: tuple[str, ...] = ("a", "b")
    total: int = 4
    clients: int = 6

    def keys(self) -> "JobKeys | Counters":
        return RedisJobKeys(RedisConnection(self.url, timeout=60)) if self.kind == "script" else Counters(self.url)


def hammer(plan: Hammer) -> list[Operation]:
    """The process's part of the history."""
    chance, keys, known = random.Random(plan.seed), plan.keys(), dict[str, frozenset[str]]()
    told: list[Operation] = []
    with Redis.from_url(plan.url) as redis:
        for _ in range(plan.operations):
            job = chance.choice(plan.jobs)
            kind: Kind = chance.choices(KINDS, (80, 15, 5))[0]
            client = f"c{chance.randrange(plan.clients)}"
            before = known.get(job, frozenset())
            began = time.monotonic_ns()
            answer = used(keys, redis, kind, job, client, before, plan.total)
            ended = time.monotonic_ns()
            told.append(Operation(kind, job, began, ended, client, before, plan.total, answer))
            if kind == "record" and answer and answer[0]:
                known[job] = before | {client}
    return told


def used(
    keys: "JobKeys | Counters", redis: Any, kind: str, job: str, client: str, known: frozenset[str], total: int
) -> tuple[Any, ...] | None:
    if kind == "lose":
        redis.delete(job_key(job), clients_key(job))
        return None
    if kind == "read":
        found = keys.read(job)
        return None if found is None else (found.done, *sorted(found.clients))
    until = datetime.now(UTC) + timedelta(days=1)
    recorded = keys.record(job, client, DurableJob(total, "", tuple(known), "", until))
    return tuple(recorded[:5])


def processes() -> ProcessPoolExecutor:
    """Those that will hammer, running."""
    pool = ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))
    list(pool.map(time.sleep, [0.2] * PROCESSES))
    return pool


def history(pool: ProcessPoolExecutor, url: str, seed: int, kind: Literal["script", "original"]) -> list[Operation]:
    """Of all processes at once, beginning with keys that are lost."""
    with Redis.from_url(url) as redis:
        redis.flushdb()
    plans = [Hammer(url, 1000 * seed + number, kind) for number in range(PROCESSES)]
    return [operation for told in pool.map(hammer, plans) for operation in told]
