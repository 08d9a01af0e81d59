"""What came of a session's batches, and what did not, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quintet.calibration.join import Conflict, Missing
from quintet.calibration.messages import INPUTS, Session
from quintet.calibration.sections import Section, plain
from quintet.calibration.texts import Texts

SPANS_TOLD = 60

_NOTHING = Missing((), (), ())


@dataclass(frozen=True)
class Notes:
    """What happened on the way, beside the figures: as Join keeps it, and what else there is to tell.

    `troubles` are sentences; `unlabelled` counts batches without labels, which can't be judged.
    """

    missing: Missing = _NOTHING
    conflicts: Sequence[Conflict] = ()
    duplicates: int = 0
    strays: int = 0
    unlabelled: int = 0
    troubles: Sequence[str] = ()


def deliveries(session: Session, notes: Notes, texts: Texts) -> Section:
    return Section(texts.deliveries, tuple(_sentences(session, notes, texts)))


def spans(ranges: Sequence[range], texts: Texts, most: int = SPANS_TOLD) -> str:
    """
    >>> spans([range(3, 4), range(7, 10)], Texts())
    '3, 7–9'
    """
    told = [f"{span[0]}–{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in ranges[:most]]
    rest = sum(map(len, ranges[most:]))
    return ", ".join(told) + (f" {texts.and_more.format(count=f'{rest:,}')}" if rest else "")


def _sentences(session: Session, notes: Notes, texts: Texts) -> Iterator[str]:
    missing = list(_missing(notes.missing, texts))
    yield from missing or ([texts.all_came] if session.state == "COMPLETED" else [])
    if notes.conflicts:
        yield texts.conflicts.format(count=f"{len(notes.conflicts):,}", indexes=_conflicts(notes.conflicts, texts))
    for template, count in (
        (texts.unlabelled, notes.unlabelled),
        (texts.duplicates, notes.duplicates),
        (texts.strays, notes.strays),
    ):
        if count:
            yield template.format(count=f"{count:,}")
    for trouble in notes.troubles:
        yield f"{texts.trouble}: {plain(trouble)}"


def _missing(missing: Missing, texts: Texts) -> Iterator[str]:
    for template, ranges in ((texts.missing_inputs, missing.inputs), (texts.missing_outputs, missing.outputs)):
        if ranges:
            yield template.format(count=f"{sum(map(len, ranges)):,}", indexes=spans(ranges, texts))
    for side in missing.ends:
        yield texts.no_end_inputs if side == INPUTS else texts.no_end_outputs


def _conflicts(conflicts: Sequence[Conflict], texts: Texts, most: int = SPANS_TOLD) -> str:
    told = ", ".join(f"{texts.conflict_sides[one.side]} {one.index}" for one in conflicts[:most])
    rest = len(conflicts) - most
    return told + (f" {texts.and_more.format(count=f'{rest:,}')}" if rest > 0 else "")
