"""Histories of UEs, kept as trails under fingerprints of the UEs' ids: no store's key tells who it was."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from quintet.handover.history import MOST_SIGHTS, MOST_STAYS, Handover, History, Stay, history_of
from quintet.handover.sights import Candidate, Sight
from quintet.kernel.ids import fingerprint
from quintet.kernel.trails import Keeping, Place, Trail, Trails

SCHEMA = 1

MOST_READ = 2048
"""Sights that are kept as they were read: some megabytes."""

_JSON = json.JSONEncoder(separators=(",", ":"))
_REST = attrgetter(*[field.name for field in fields(Sight)][5:])


def keeping(most: int, hours: float) -> Keeping:
    """Of UE_TRACKING_MAX_UES and UE_TRACKING_TTL_HOURS."""
    return Keeping(most, hours * 3600, MOST_SIGHTS, MOST_STAYS)


@dataclass(frozen=True)
class KeptHistories:
    """Histories over trails."""

    trails: Trails

    def read(self, ue: str) -> History:
        return _history(self.trails.read([fingerprint(ue)])[0])

    def remember(self, ue: str, sight: Sight) -> History:
        place = None if sight.serving is None else Place(sight.serving, repr(sight.at))
        return _history(self.trails.append(fingerprint(ue), sight_text(sight), place), sight.at)

    def advise(self, ue: str, handover: Handover) -> None:
        self.trails.note(fingerprint(ue), json.dumps([SCHEMA, handover.at, handover.source, handover.target]))


def sight_text(sight: Sight) -> str:
    """
    >>> sights_of([sight_text(Sight(7.5, None, None, "a", (Candidate("a", -80.0),)))])[0].candidates[0].rsrp
    -80.0
    """
    kept = [SCHEMA, sight.at, sight.x, sight.y, sight.serving, sight.candidates, _REST(sight)]
    return _JSON.encode(kept)


def sights_of(texts: Iterable[str]) -> list[Sight]:
    """Those of this schema: what another release of the program kept is passed over."""
    return [sight for text in texts if (sight := _sight_of(text)) is not None]


@lru_cache(MOST_READ)
def _sight_of(text: str) -> Sight | None:
    """Kept, for a sight comes back with each of the next MOST_SIGHTS requests of its UE."""
    schema, *values = json.loads(text)
    return _sight(*values) if schema == SCHEMA else None


def _sight(at: float, x: float, y: float, serving: str, cells: list[list[Any]], rest: list[float]) -> Sight:
    return Sight(at, x, y, serving, tuple(map(Candidate._make, cells)), *rest)


def _history(trail: Trail, until: float = float("inf")) -> History:
    stays = [Stay(float(place.text), place.name) for place in trail.places]
    return history_of(sights_of(trail.entries), stays, _advised(trail.note), until)


def _advised(note: str | None) -> Handover | None:
    if note is None:
        return None
    schema, at, source, target = json.loads(note)
    return Handover(at, source, target, followed=False) if schema == SCHEMA else None
