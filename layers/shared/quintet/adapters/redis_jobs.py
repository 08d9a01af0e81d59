"""The documented keys of the aggregation's jobs, in Redis: the hash `job:{id}` and the set `job:{id}:updatedClients`.

Each script is one atomic step. The two keys lie in different slots, so the cluster mode must be off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quintet.adapters.redis_connection import RedisConnection
from quintet.kernel.job_keys import DurableJob, JobHash, Recorded

if TYPE_CHECKING:
    from redis import Redis

_BOTH = """
local job, clients = KEYS[1], KEYS[2]

local function standing()
  local total = tonumber(redis.call("hget", job, "totalClients") or "")
  local done = tonumber(redis.call("hget", job, "doneCount") or "")
  if total and done and redis.call("scard", clients) == done then return total, done end
end

local function make(given)
  local total = given[1]
  redis.call("hset", job, "totalClients", total)
  for place, name in pairs({[2] = "schema", [3] = "finalResult"}) do
    if given[place] == "" then
      redis.call("hsetnx", job, name, "")
    else
      redis.call("hset", job, name, given[place])
    end
  end
  for first = 4, #given, 1000 do
    redis.call("sadd", clients, unpack(given, first, math.min(first + 999, #given)))
  end
  local done = redis.call("scard", clients)
  redis.call("hset", job, "doneCount", done)
  return tonumber(total), done
end

local function expire(at)
  redis.call("pexpireat", job, at)
  redis.call("pexpireat", clients, at)
end

local function from(first)
  local given = {}
  for place = first, #ARGV do given[#given + 1] = ARGV[place] end
  return given
end
"""

_RECORD = (
    _BOTH
    + """
local client, expires_at, has_schema, given = ARGV[1], ARGV[2], ARGV[3] == "1", from(4)
local total, done = standing()
local created, schema_stored = 0, 0
if not total then
  if #given == 0 then return nil end
  redis.call("del", clients)
  total, done = make(given)
  created, schema_stored = 1, has_schema and 1 or 0
elseif has_schema and redis.call("hget", job, "schema") == "" then
  if #given == 0 then return nil end
  redis.call("hset", job, "schema", given[2])
  schema_stored = 1
end
local new, full = 0, 0
if redis.call("sismember", clients, client) == 0 then
  if done >= total then
    full = 1
  else
    new, done = redis.call("sadd", clients, client), redis.call("hincrby", job, "doneCount", 1)
  end
end
expire(expires_at)
return {new, done, total, full, created, schema_stored}
"""
)
"""Without what is durable (all after the third argument) it does nothing, and answers nothing, where it needs that."""

_WRITE = (
    _BOTH
    + """
if ARGV[1] == "1" then redis.call("del", clients) end
make(from(3))
expire(ARGV[2])
"""
)


@dataclass(frozen=True)
class RedisJobKeys:
    redis: RedisConnection

    def record(self, job: str, client: str, durable: DurableJob) -> Recorded:
        """Asked twice, it counts once: so it may be, where an answer was lost."""
        known = client, _milliseconds(durable.expires_at), str(int(bool(durable.schema_text)))
        counted = self._run(_RECORD, job, *known) or self._run(_RECORD, job, *known, *_said(durable))
        new, done, total, *others = map(int, counted)
        return Recorded(bool(new), done, total, *map(bool, others))

    def read(self, job: str) -> JobHash | None:
        def both(redis: "Redis") -> Any:
            with redis.pipeline(transaction=True) as step:
                step.hgetall(job_key(job))
                step.smembers(clients_key(job))
                return step.execute()

        found, clients = self.redis.ask(both)
        texts = {name.decode(): value.decode() for name, value in found.items()}
        if not {"totalClients", "doneCount"} <= texts.keys():
            return None
        counts = int(texts["totalClients"]), int(texts["doneCount"])
        members = tuple(client.decode() for client in clients)
        return JobHash(*counts, texts.get("schema", ""), texts.get("finalResult", ""), members)

    def write(self, job: str, durable: DurableJob) -> None:
        self._run(_WRITE, job, str(int(durable.final)), _milliseconds(durable.expires_at), *_said(durable))

    def absent(self, jobs: Sequence[str]) -> list[str]:
        def each(redis: "Redis") -> Any:
            with redis.pipeline(transaction=False) as asked:
                for job in jobs:
                    asked.exists(job_key(job))
                return asked.execute()

        return [job for job, there in zip(jobs, self.redis.ask(each), strict=True) if not there]

    def _run(self, script: str, job: str, *arguments: str) -> Any:
        return self.redis.ask(lambda redis: redis.eval(script, 2, job_key(job), clients_key(job), *arguments))


def job_key(job: str) -> str:
    """
    >>> job_key("j1")
    'job:j1'
    """
    return f"job:{job}"


def clients_key(job: str) -> str:
    return f"job:{job}:updatedClients"


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _said(durable: DurableJob) -> list[str]:
    return [str(durable.total), durable.schema_text, durable.final_result, *durable.clients]
