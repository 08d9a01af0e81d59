"""Why a cell stands where it does, in words with numbers."""

from collections.abc import Iterator

from quintet.handover.course import course
from quintet.handover.sights import Candidate, Look, Sight

_STEADY = 0.5
"""dB/s that are not worth a word."""
_BUSY = 0.8
_LATELY_S = 60.0


def reasons(look: Look) -> list[str]:
    """One a candidate.

    >>> from quintet.handover.history import EMPTY
    >>> from quintet.handover.sights import Sight
    >>> cells = Candidate("a", -80.0), Candidate("b", -75.0)
    >>> reasons(Look(Sight(0.0, None, None, "a", cells), EMPTY))
    ['serving, RSRP 5.0 dB below the best other cell', 'RSRP 5.0 dB above the serving cell']
    """
    went, serving = course(look), look.sight.heard(look.sight.serving)
    above, slopes = went.above(0.0).tolist(), went.own.slope.tolist()
    return [
        ", ".join((_level(candidate, look.sight, serving, seconds), *_more(candidate, look, slope)))
        for candidate, seconds, slope in zip(look.sight.candidates, above, slopes, strict=True)
    ]


def _level(candidate: Candidate, sight: Sight, serving: Candidate | None, seconds: float) -> str:
    if len(sight.candidates) == 1:
        return f"the only cell that is heard, RSRP {candidate.rsrp:.1f} dBm"
    if serving is None:
        rank = 1 + sum(cell.rsrp > candidate.rsrp for cell in sight.candidates)
        return f"RSRP {candidate.rsrp:.1f} dBm, number {rank} of {len(sight.candidates)}; no serving cell is heard"
    if candidate is serving:
        best = max(cell.rsrp for cell in sight.candidates if cell is not candidate)
        return f"serving, RSRP {_margin(candidate.rsrp - best)} the best other cell"
    lasting = f" for {seconds:.1f} s" if seconds >= 0.05 else ""
    return f"RSRP {_margin(candidate.rsrp - serving.rsrp)} the serving cell{lasting}"


def _margin(decibels: float) -> str:
    return f"{abs(decibels):.1f} dB {'above' if decibels >= 0 else 'below'}"


def _more(candidate: Candidate, look: Look, slope: float) -> Iterator[str]:
    if abs(slope) >= _STEADY:
        yield f"{'rising' if slope > 0 else 'falling'} {abs(slope):.1f} dB/s"
    if candidate.load >= _BUSY:
        yield f"{candidate.load:.0%} loaded"
    left = [handover.at for handover in look.history.done if handover.source == candidate.cell]
    if left and look.sight.at - left[-1] < _LATELY_S:
        yield f"left {look.sight.at - left[-1]:.1f} s ago"
