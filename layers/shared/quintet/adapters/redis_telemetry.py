"""Telemetry in Redis, one sum over all processes.

    <prefix>:telemetry                  a hash: `name␟part␟label␟…` → a sum, or a gauge's `value␠when`;
                                        `␟known␟name␟label␟…` and `␟many␟name` of metrics whose series are bounded
    <prefix>:telemetry:writer:<id>      the number of the last batch that this process has written
    <prefix>:telemetry:recent:<name>    a list, the newest first

A call is one round trip, and one atomic step (the cluster mode must be off). What a process could not write it sums up
and sends with its next call; a batch of which it does not know whether it was written is sent again as it was, under
its number, and counts once.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from quintet.adapters.memory_telemetry import Tally
from quintet.adapters.redis_connection import RedisConnection
from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from quintet.kernel.ids import new_id
from quintet.kernel.telemetry import Change, Family, Labels, Metric, Recent, families_of, overflow

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

UNIT = "\x1f"
REST = timedelta(seconds=5)
"""Redis is not asked again so soon after it did not answer."""

WRITER_SECONDS = 24 * 60 * 60
"""How long a batch's number is remembered: a doubtful batch that is sent again later than this counts twice."""

_JSON = json.JSONEncoder(separators=(",", ":"))
_WRITE = """
local state, writer = KEYS[1], KEYS[2]
local unit = "\\31"

local function home(name, most, labels, other)
  if most == 0 then return labels end
  local known = unit .. "known" .. unit .. name .. labels
  if redis.call("hexists", state, known) == 1 then return labels end
  if redis.call("hincrby", state, unit .. "many" .. unit .. name, 1) > most then
    redis.call("hincrby", state, unit .. "many" .. unit .. name, -1)
    return other
  end
  redis.call("hset", state, known, 1)
  return labels
end

local function sum(name, most, labels, other, parts)
  local series = home(name, most, labels, other)
  for part, amount in pairs(parts) do
    redis.call("hincrbyfloat", state, name .. unit .. part .. series, amount)
  end
end

local function set(name, most, labels, other, value, at)
  local field = name .. unit .. "sum" .. home(name, most, labels, other)
  local standing = redis.call("hget", state, field)
  if standing and tonumber(string.match(standing, " (.*)$")) > tonumber(at) then return end
  redis.call("hset", state, field, value .. " " .. at)
end

local function keep(list, most, seconds, values)
  for _, value in ipairs(values) do redis.call("lpush", list, value) end
  redis.call("ltrim", list, 0, most - 1)
  redis.call("expire", list, seconds)
end

local batch = cjson.decode(ARGV[2])
if tonumber(redis.call("get", writer) or "0") >= batch.number then return 0 end
redis.call("set", writer, batch.number, "EX", ARGV[1])
for _, one in ipairs(batch.sums) do sum(unpack(one)) end
for _, one in ipairs(batch.gauges) do set(unpack(one)) end
for _, one in ipairs(batch.kept) do keep(unpack(one)) end
return 1
"""


class RedisTelemetry:
    """`on_trouble` hears why nothing could be written, once an outage."""

    def __init__(
        self,
        connection: RedisConnection,
        metrics: Sequence[Metric],
        *,
        prefix: str,
        clock: Clock | None = None,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._metrics = tuple(metrics)
        self._key = f"{prefix}:telemetry"
        self._writer = f"{self._key}:writer:{new_id()}"
        self._clock = clock or SystemClock()
        self._on_trouble = on_trouble
        self._pending, self._doubtful = Tally(), ""
        self._number = 0
        self._resting_until: datetime | None = None
        self._lock, self._turn = Lock(), Lock()
        self._script: Script | None = None

    def add(self, *changes: Change) -> None:
        now = self._clock.now()
        with self._lock:
            for change in changes:
                self._pending.add(change, now.timestamp())
        if self._resting_until is None or now >= self._resting_until:
            self._deliver()

    def read(self) -> list[Family]:
        self._deliver()
        stored: dict[str, dict[Labels, dict[str, float]]] = {}
        for field, value in self._connection.ask(lambda redis: redis.hgetall(self._key)).items():
            name, part, *labels = field.decode().split(UNIT)
            if name:
                stored.setdefault(name, {}).setdefault(tuple(labels), {})[part] = float(value.split()[0])
        return families_of(self._metrics, stored)

    def kept(self, recent: Recent) -> list[str]:
        self._deliver()
        found = self._connection.ask(lambda redis: redis.lrange(self._list(recent), 0, recent.most - 1))
        return [text.decode() for text in found]

    def _deliver(self) -> None:
        """One thread at a time; what others add meanwhile it takes along."""
        while (self._pending or self._doubtful) and self._turn.acquire(blocking=False):
            try:
                if not self._delivered():
                    return
            finally:
                self._turn.release()

    def _delivered(self) -> bool:
        """Whether the oldest batch is written. While one is in doubt, what comes is summed up behind it."""
        batch = self._doubtful or self._next_batch()
        try:
            self._connection.ask(lambda redis: self._write(redis, batch))
        except (Unavailable, Misconfigured) as error:
            self._failed(batch, error)
            return False
        self._doubtful, self._resting_until = "", None
        return True

    def _next_batch(self) -> str:
        with self._lock:
            pending, self._pending = self._pending, Tally()
        self._number += 1
        sums = [
            [*_series(metric, labels), {part: repr(amount) for part, amount in parts.items()}]
            for (metric, labels), parts in pending.sums.items()
        ]
        gauges = [
            [*_series(metric, labels), repr(value), repr(at)]
            for (metric, labels), (value, at) in pending.gauges.items()
        ]
        kept = [[self._list(recent), recent.most, recent.seconds, [*texts]] for recent, texts in pending.kept.items()]
        return _JSON.encode({"number": self._number, "sums": sums, "gauges": gauges, "kept": kept})

    def _write(self, redis: "Redis", batch: str) -> None:
        if self._script is None:
            self._script = redis.register_script(_WRITE)
        self._script(keys=[self._key, self._writer], args=[WRITER_SECONDS, batch])

    def _failed(self, batch: str, error: QuintetError) -> None:
        self._doubtful = batch
        if self._resting_until is None:
            self._on_trouble(error.message)
        self._resting_until = self._clock.now() + REST

    def _list(self, recent: Recent) -> str:
        return f"{self._key}:recent:{recent.name}"


def _series(metric: Metric, labels: Labels) -> tuple[str, int, str, str]:
    return metric.name, metric.most, _joined(labels), _joined(overflow(metric))


def _joined(labels: Labels) -> str:
    return "".join(UNIT + label for label in labels)
