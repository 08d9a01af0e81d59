"""How handovers went, by service and by cell, kept as trails."""

from collections.abc import Sequence
from dataclasses import dataclass

from quintet.handover.messages import ServiceType
from quintet.handover.qos import Outcomes, Rate
from quintet.kernel.ids import new_id
from quintet.kernel.trails import Keeping, Trail, Trails

KEEPING = Keeping(trails=10_000, seconds=24 * 60 * 60, entries=100)


@dataclass(frozen=True)
class KeptOutcomes:
    """Outcomes over trails: a service's, and a service's at a cell."""

    trails: Trails

    def add(self, service: ServiceType, cell: str, success: bool) -> None:
        """An entry carries a number of its own: one that is sent again is kept once, an equal one anew."""
        entry = f"{int(success)}{new_id()}"
        self.trails.append(service, entry)
        self.trails.append(_at(service, cell), entry)

    def read(self, service: ServiceType, cells: Sequence[str]) -> Outcomes:
        whole, *each = self.trails.read([service, *(_at(service, cell) for cell in cells)])
        return Outcomes(_rate(whole), dict(zip(cells, map(_rate, each), strict=True)))


def _at(service: str, cell: str) -> str:
    return f"{service}@{cell}"


def _rate(trail: Trail) -> Rate:
    return Rate(sum(entry.startswith("1") for entry in trail.entries), len(trail.entries))
