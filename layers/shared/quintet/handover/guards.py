"""Guards against ping-pong: when a UE stays where it is although another cell was chosen.

Three of them, in the original's order and with its constants. Who had `per_minute` handovers in the last minute needs
an answer as confident as `confidence_boost` (too_many); after a handover, or the advice of one, nobody is handed over
again for `interval` seconds (too_recent); and back to a cell that was left less than `window` seconds ago goes only who
is sure of it to `return_confidence` (immediate_return). A UE can only be held on a cell that it hears.
"""

from dataclasses import dataclass
from typing import Literal

from quintet.handover.sights import Look

Suppression = Literal["too_many", "too_recent", "immediate_return"]

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class PingPong:
    """Seconds, handovers, and confidences of 0 to 1."""

    interval: float = 2.0
    per_minute: int = 3
    window: float = 10.0
    confidence_boost: float = 0.9
    return_confidence: float = 0.95

    def against(self, look: Look, target: str, confidence: float) -> tuple[Suppression, str] | None:
        """Why the UE must not be handed over to the target now, by name and in words; None where it may."""
        serving = look.sight.heard(look.sight.serving)
        if serving is None or serving.cell == target:
            return None
        return (
            self._too_many(look, confidence)
            or self._too_recent(look)
            or self._immediate_return(look, target, confidence)
        )

    def _too_many(self, look: Look, confidence: float) -> tuple[Suppression, str] | None:
        count = look.history.count(look.sight.at, MINUTE_S)
        if count < self.per_minute or confidence >= self.confidence_boost:
            return None
        return "too_many", f"{count} handovers in the last minute; {self._needs(self.confidence_boost, confidence)}"

    def _too_recent(self, look: Look) -> tuple[Suppression, str] | None:
        since = look.history.since_last(look.sight.at)
        if since is None or since >= self.interval:
            return None
        return "too_recent", f"the last handover was {since:.1f} s ago, less than {self.interval:.1f} s"

    def _immediate_return(self, look: Look, target: str, confidence: float) -> tuple[Suppression, str] | None:
        left = [handover.at for handover in look.history.done if handover.source == target]
        since = look.sight.at - max(left) if left else float("inf")
        if since >= self.window or confidence >= self.return_confidence:
            return None
        return (
            "immediate_return",
            f"{target} was left {since:.1f} s ago; {self._needs(self.return_confidence, confidence)}",
        )

    @staticmethod
    def _needs(confidence: float, given: float) -> str:
        return f"going there needs a confidence of {confidence:.2f}, not {given:.2f}"
