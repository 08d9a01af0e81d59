"""Histories of UEs, kept as trails under fingerprints of the UEs' ids: no store's key tells who it was."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from quintet.handover.history import MOST_SIGHTS, MOST_STAYS, Handover, History, Stay, history_of
from quintet.handover.sights import Candidate, Sight
from quintet.kernel.ids import fingerprint
from quintet.kernel.trails import Keeping, Place, Trail, Trails

SCHEMA = 1

_REST = tuple(field.name for field in fields(Sight))[5:]


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
    cells = [(cell.cell, cell.rsrp, cell.sinr, cell.rsrq, cell.load) for cell in sight.candidates]
    rest = [getattr(sight, name) for name in _REST]
    return json.dumps([SCHEMA, sight.at, sight.x, sight.y, sight.serving, cells, rest], separators=(",", ":"))


def sights_of(texts: Iterable[str]) -> list[Sight]:
    """Those of this schema: what another release of the program kept is passed over."""
    kept: list[list[Any]] = json.loads(f"[{','.join(texts)}]")
    return [_sight(*values) for schema, *values in kept if schema == SCHEMA]


def _sight(at: float, x: float, y: float, serving: str, cells: list[list[Any]], rest: list[float]) -> Sight:
    return Sight(at, x, y, serving, tuple(Candidate(*cell) for cell in cells), *rest)


def _history(trail: Trail, until: float = float("inf")) -> History:
    stays = [Stay(float(place.text), place.name) for place in trail.places]
    return history_of(sights_of(trail.entries), stays, _advised(trail.note), until)


def _advised(note: str | None) -> Handover | None:
    if note is None:
        return None
    schema, at, source, target = json.loads(note)
    return Handover(at, source, target, followed=False) if schema == SCHEMA else None
