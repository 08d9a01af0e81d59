"""The feedback of a room in memory, with what a test wants to see of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.memory_trails import MemoryTrails
from quintet.adapters.river_detectors import RiverDetectors
from quintet.handover.feedback import Feedback, Manner
from quintet.handover.feedback_rows import FeedbackRows
from quintet.handover.kept_outcomes import KEEPING, KeptOutcomes
from quintet.handover.messages import FeedbackSample, Radio
from quintet.handover.performance import Rule
from quintet.handover.telemetry import METRICS
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import QuintetError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sample(success: bool = True, number: int = 0, ue: str = "ue-1", **more: object) -> FeedbackSample:
    said: dict[str, object] = {
        "ue_id": ue,
        "timestamp": 1000.0 * number,
        "connected_to": "a",
        "optimal_antenna": "b",
        "rf_metrics": {"a": Radio(rsrp=-90.0 - number % 7, sinr=5.0), "b": Radio(rsrp=-80.0, sinr=9.0)},
        "success": success,
    }
    return FeedbackSample.model_validate(said | more)


def samples(outcomes: str, first: int = 0) -> list[FeedbackSample]:
    """`1` went well, `0` did not; each of a minute of its own."""
    return [sample(outcome == "1", first + place) for place, outcome in enumerate(outcomes)]


@dataclass
class FeedbackRoom:
    """`asked`: the retrainings; `busy`: one runs already; `failure`: what is raised when one is asked for."""

    room: int = 1000
    manner: Manner = field(default_factory=lambda: Manner(rule=Rule(), least=5))
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(NOON))
    version: str = "1.0.0"
    asked: list[tuple[str, str]] = field(default_factory=list)
    busy: bool = False
    failure: QuintetError | None = None
    learned: list[FeedbackSample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows, self.objects = MemoryRows(self.clock), MemoryObjects()
        self.telemetry = MemoryTelemetry(METRICS, self.clock)
        self.kept = FeedbackRows(self.rows, self.objects, self.clock, self.room)
        self.trails = MemoryTrails(KEEPING, self.clock)
        self.feedback = self.another()

    def another(self) -> Feedback:
        """Of another environment of the same room."""
        return Feedback(
            kept=self.kept,
            detector=RiverDetectors(),
            retrain=self.retrain,
            active=lambda: self.version,
            learn=self.learn,
            outcomes=KeptOutcomes(self.trails),
            telemetry=self.telemetry,
            clock=self.clock,
            manner=self.manner,
        )

    def retrain(self, *, once: str, reason: str) -> bool:
        if self.failure:
            raise self.failure
        if self.busy:
            return False
        if (once, reason) not in self.asked:
            self.asked.append((once, reason))
        return True

    def learn(self, samples: Sequence[FeedbackSample]) -> int:
        self.learned += samples
        return len(samples)

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """What telemetry says, without what did not happen."""
        families = [family for family in self.telemetry.read() if family.metric.name == name]
        return {one.labels: one.value for family in families for one in family.series if one.value}
