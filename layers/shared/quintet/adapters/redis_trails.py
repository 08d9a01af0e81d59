"""Trails in Redis: two lists and a text a trail, and one sorted set of when each was last seen.

Each script is one atomic step. The keys lie in different slots, and those of trails that must go are not named
beforehand, so the cluster mode must be off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quintet.adapters.redis_connection import RedisConnection
from quintet.kernel.trails import Keeping, Place, Trail, place_mark, place_of

if TYPE_CHECKING:
    from redis import Redis

_ENTRIES, _PLACES, _NOTE = "entries", "places", "note"

_APPEND = """
local seen, entries, places, note = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, entry, mark, text, prefix = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, life = tonumber(ARGV[6]), tonumber(ARGV[7])

if redis.call("lindex", entries, 0) == entry then redis.call("lpop", entries) end
local before = redis.call("lrange", entries, 0, -1)
redis.call("lpush", entries, entry)
redis.call("ltrim", entries, 0, ARGV[8] - 1)

if mark ~= "" then
  local last = redis.call("lindex", places, 0)
  if not last or string.sub(last, 1, #mark) ~= mark then
    redis.call("lpush", places, mark .. text)
    redis.call("ltrim", places, 0, ARGV[9] - 1)
  end
end

local time = redis.call("time")
local now = time[1] * 1000000 + time[2]
redis.call("zadd", seen, string.format("%.0f", now), name)
for _, key in ipairs({entries, places, note, seen}) do redis.call("pexpire", key, life) end
redis.call("zremrangebyscore", seen, "-inf", string.format("%.0f", now - life * 1000))
local over = redis.call("zcard", seen) - most
if over > 0 then
  local gone = redis.call("zpopmin", seen, math.min(over, 100))
  for at = 1, #gone, 2 do
    local trail = prefix .. gone[at]
    redis.call("del", trail .. ":entries", trail .. ":places", trail .. ":note")
  end
end
return {before, redis.call("lrange", places, 0, -1), redis.call("get", note)}
"""

_TAKE_NOTE = """
local left = redis.call("pttl", KEYS[1])
if left > 0 then redis.call("set", KEYS[2], ARGV[1], "PX", left) end
"""


@dataclass(frozen=True)
class RedisTrails:
    """`prefix` begins all keys; kinds of trails that differ in it do not meet."""

    redis: RedisConnection
    keeping: Keeping
    prefix: str

    def read(self, names: Sequence[str]) -> list[Trail]:
        def each(redis: "Redis") -> Any:
            with redis.pipeline(transaction=True) as asked:
                for name in names:
                    asked.lrange(self._key(name, _ENTRIES), 0, -1)
                    asked.lrange(self._key(name, _PLACES), 0, -1)
                    asked.get(self._key(name, _NOTE))
                return asked.execute()

        found = self.redis.ask(each) if names else []
        return [_trail(*found[at : at + 3]) for at in range(0, len(found), 3)]

    def append(self, name: str, entry: str, place: Place | None = None) -> Trail:
        keep = self.keeping
        keys = [f"{self.prefix}:seen", *(self._key(name, kind) for kind in (_ENTRIES, _PLACES, _NOTE))]
        said = [name, entry, place_mark(place.name) if place else "", place.text if place else "", f"{self.prefix}:"]
        sizes = [keep.trails, int(keep.seconds * 1000), keep.entries, keep.places]
        return _trail(*self.redis.ask(lambda redis: redis.eval(_APPEND, len(keys), *keys, *said, *sizes)))

    def note(self, name: str, text: str) -> None:
        keys = self._key(name, _ENTRIES), self._key(name, _NOTE)
        self.redis.ask(lambda redis: redis.eval(_TAKE_NOTE, 2, *keys, text))

    def _key(self, name: str, kind: str) -> str:
        return f"{self.prefix}:{name}:{kind}"


def _trail(entries: list[bytes], places: list[bytes], note: bytes | None) -> Trail:
    oldest_first = tuple(entry.decode() for entry in reversed(entries))
    came_through = tuple(place_of(place.decode()) for place in reversed(places))
    return Trail(oldest_first, came_through, None if note is None else note.decode())
