"""The report of one session: what came, what it shows, and whether the model may be relied on.

It is words, tables and drawings, which `report_html` and the worker's PDF writer set; the same session makes the same
report. A session without any result has one too, which says why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from quintet.calibration.deliveries import Notes, deliveries
from quintet.calibration.evaluation import Result
from quintet.calibration.messages import Session
from quintet.calibration.sections import Section, calibration, plain, predictions, uncertainty
from quintet.calibration.texts import ENGLISH, Texts
from quintet.calibration.verdict import TOLERANCE, Check, Evidence, Reason, Verdict, judge

__all__ = ["Answer", "Notes", "Report", "Ruling", "build_report"]

SHARES = frozenset({"coverage", "target", "accuracy", "least"})
"""The figures of a reason that are told in per cent."""


@dataclass(frozen=True)
class Answer:
    """One question of the verdict, answered in words; `met` is None where it can't be judged."""

    question: str
    met: bool | None
    answer: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Ruling:
    """The verdict in words."""

    satisfactory: bool
    words: str
    sentence: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Report:
    """All that a page shows, in this order. Text of others is in it without control characters, and not escaped."""

    texts: Texts
    title: str
    code: str
    moment: datetime
    client: str
    facts: tuple[tuple[str, str], ...]
    ruling: Ruling
    notices: tuple[str, ...]
    sections: tuple[Section, ...]


def build_report(
    session: Session, result: Result | None, notes: Notes, moment: datetime, texts: Texts = ENGLISH
) -> Report:
    """`result` is None, or has no rows, where not one batch was judged."""
    shown = result if result is not None and result.rows else None
    return Report(
        texts=texts,
        title=texts.title,
        code=code_of(session),
        moment=moment,
        client=plain(session.client_id),
        facts=tuple(_facts(session, shown, texts)),
        ruling=ruling_of(judge(evidence_of(session, shown)), shown, texts),
        notices=tuple(_notices(session, shown, texts)),
        sections=tuple(_sections(shown, session, notes, texts)),
    )


def code_of(session: Session) -> str:
    """UTC-, the day of the session's end, and eight digits that tell it from the others of that day.

    The original service wrote 001 in their place, whichever session it was.
    """
    day = (session.ended_at or session.registered_at).astimezone(UTC)
    return f"UTC-{day:%y%m%d}-{sha256(session.id.encode()).hexdigest()[:8]}"


def evidence_of(session: Session, result: Result | None) -> Evidence:
    complete = session.state == "COMPLETED"
    if result is None:
        return Evidence(complete)
    found = result.utrace
    return Evidence(
        complete=complete,
        classes=result.classes or 0,
        accuracy=found.accuracy,
        alpha=found.alpha,
        uncertainty=found.uncertainty,
        coverage=found.coverage,
        max_set_size=found.max_set_size,
    )


def ruling_of(verdict: Verdict, result: Result | None, texts: Texts) -> Ruling:
    sentence = texts.verdict_satisfactory if verdict.satisfactory else texts.verdict_review
    return Ruling(
        satisfactory=verdict.satisfactory,
        words=texts.satisfactory if verdict.satisfactory else texts.needs_review,
        sentence=texts.verdict_nothing if result is None else sentence,
        answers=tuple(_answer(check, texts) for check in verdict.checks),
    )


def figures_of(reason: Reason) -> dict[str, str]:
    """A reason's figures for its sentence, with as many digits as it takes to tell different ones apart.

    >>> figures_of(Reason("COVERAGE_SHORT", False, {"coverage": 0.8999971, "target": 0.9}))
    {'coverage': '89.9997 %', 'target': '90.0000 %'}
    """
    digits = 4
    while digits < 9 and _look_alike(reason.figures, digits):
        digits += 1
    return {name: _figure(name, value, digits) for name, value in reason.figures.items()}


def _look_alike(figures: Mapping[str, float], digits: int) -> bool:
    told = [value for value in figures.values() if isinstance(value, float)]
    return any(
        abs(one - other) > TOLERANCE and f"{one:.{digits}f}" == f"{other:.{digits}f}"
        for place, one in enumerate(told)
        for other in told[:place]
    )


def _figure(name: str, value: float, digits: int) -> str:
    if name in SHARES:
        return f"{value * 100:.{digits - 2}f} %"
    return f"{value:.{digits}f}" if isinstance(value, float) else f"{value:,}"


def _answer(check: Check, texts: Texts) -> Answer:
    words = {True: texts.met, False: texts.not_met, None: texts.not_judged}[check.met]
    reasons = (texts.reasons[reason.code].format(**figures_of(reason)) for reason in check.reasons)
    return Answer(texts.criteria[check.criterion], check.met, words, tuple(reasons))


def _facts(session: Session, result: Result | None, texts: Texts) -> Iterator[tuple[str, str]]:
    yield texts.client, plain(session.client_id)
    yield texts.session, plain(session.id)
    yield texts.state, texts.states[session.state]
    if session.reason:
        yield texts.why, plain(session.reason)
    yield texts.registered, at(session.registered_at)
    if session.ended_at:
        yield texts.ended, at(session.ended_at)
    for name, told in (
        (texts.model_type, session.model_type),
        (texts.inputs_format, session.inputs_format),
        (texts.outputs_format, session.outputs_format),
    ):
        if told:
            yield name, plain(told)
    if result is not None:
        yield texts.batches, f"{result.batches:,}"
        yield texts.samples, f"{result.rows:,}"
        yield texts.classes, f"{result.classes or 0:,}"


def at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _notices(session: Session, result: Result | None, texts: Texts) -> Iterator[str]:
    if result is None:
        yield texts.no_result
    elif session.state != "COMPLETED":
        yield texts.partial


def _sections(result: Result | None, session: Session, notes: Notes, texts: Texts) -> Iterator[Section]:
    yield deliveries(session, notes, texts)
    if result is not None:
        yield Section(texts.notes, texts.glossary)
        yield uncertainty(result, texts)
        yield calibration(result, texts)
        yield predictions(result, texts)
