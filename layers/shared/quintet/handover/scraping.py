"""One look at everything the room measures, for Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from quintet.handover.telemetry import CPU, MEMORY, OUTCOMES, Described, described, error_rate, filled
from quintet.kernel.errors import QuintetError
from quintet.kernel.telemetry import Family, Gauge, Telemetry


@dataclass(frozen=True)
class Scrape:
    """`model` gives the active version's manifest; `load` (cpu percent, resident bytes) of this process."""

    telemetry: Telemetry
    model: Callable[[], Described]
    load: Callable[[], tuple[float, int]]

    def families(self) -> list[Family]:
        """Raises Unavailable: a page with the counts of one process alone would look as if they had been set back."""
        return filled(self.telemetry.read(), self._measured())

    def _measured(self) -> Iterator[Gauge]:
        percent, resident = self.load()
        yield Gauge(CPU, percent)
        yield Gauge(MEMORY, resident)
        yield from error_rate(self.telemetry.kept(OUTCOMES))
        with suppress(QuintetError):  # model-health says why no model answers
            yield from described(self.model())
