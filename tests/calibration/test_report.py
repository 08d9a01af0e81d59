"""A report says what its session showed, in figures that are the result's, and what is missing, by name."""

import string
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from quintet.calibration.conformal import Score
from quintet.calibration.confusion import READABLE
from quintet.calibration.deliveries import SPANS_TOLD
from quintet.calibration.evaluation import Evaluator, Result, Stages
from quintet.calibration.join import Conflict, Missing
from quintet.calibration.messages import State
from quintet.calibration.report import Notes, Report, build_report, code_of, figures_of
from quintet.calibration.sections import LONGEST, Picture, Section, Table
from quintet.calibration.texts import ENGLISH, Texts
from quintet.calibration.texts_spanish import LANGUAGES, SPANISH
from quintet.calibration.verdict import Code, Criterion, Evidence, Reason, judge
from quintet.calibration.weakness import WeaknessCode
from tests.calibration.judged_sessions import (
    HOSTILE,
    MOMENT,
    a_report,
    a_result,
    a_session,
    judged,
    perfect,
    rows,
)


def section(report: Report, title: str) -> Section:
    return next(section for section in report.sections if section.title == title)


def sentences(report: Report) -> list[str]:
    return [*report.notices, *(part for one in report.sections for part in one.content if isinstance(part, str))]


def pictures(report: Report) -> list[str]:
    return [part.svg for one in report.sections for part in one.content if isinstance(part, Picture)]


def table(section: Section) -> dict[str, tuple[str, ...]]:
    """The values of the section's first table, by the name of their row."""
    (first, *_) = (part for part in section.content if isinstance(part, Table))
    return {name: tuple(values) for name, *values in first.rows}


def test_the_cover_tells_whose_session_it_was_and_how_it_went() -> None:
    report = a_report(a_result(), client_id="inti", model_type="cnn", inputs_format="(1,28,28)")
    facts = dict(report.facts)
    assert (facts["Client"], facts["Session"], facts["State"]) == ("inti", "7f0c", "Completed")
    assert (facts["Registered"], facts["Ended"]) == ("2026-03-01 12:27:05 UTC", "2026-03-01 12:30:05 UTC")
    assert (facts["Kind of model"], facts["Shape of inputs"]) == ("cnn", "(1,28,28)")
    assert (facts["Batches joined"], facts["Samples"], facts["Classes"]) == ("40", "640", "4")
    assert "Why" not in facts


def test_the_code_is_of_the_day_of_the_end_and_tells_sessions_apart() -> None:
    code = code_of(a_session(id="one"))
    assert code.startswith("UTC-260301-")
    assert code == code_of(a_session(id="one", ended_at=MOMENT + timedelta(hours=1)))
    assert code != code_of(a_session(id="two"))


def test_the_figures_are_the_results() -> None:
    result = a_result()
    report = a_report(result)
    found = result.utrace
    assert found.coverage is not None
    assert found.alpha is not None
    assert found.uncertainty is not None
    uncertainty = table(section(report, "Uncertainty"))
    assert uncertainty["Empirical coverage"] == (f"{found.coverage:.4f}", f"≥ {1 - found.alpha:.4f}")
    assert uncertainty["Upper bound of the uncertainty, U"][0].startswith(f"{found.uncertainty:.4f} ± ")
    assert uncertainty["Largest prediction set, classes"] == (str(found.max_set_size), "≤ 3")
    calibration = table(section(report, "Calibration"))
    figures = (result.overall.ece, result.before.ece, result.after.ece)
    assert calibration["ECE, expected calibration error"] == tuple(f"{ece:.4f}" for ece in figures)
    assert calibration["Samples"] == ("640", "560", "560")


def test_the_temperature_is_put_into_words() -> None:
    sure, doubtful = rows(640, 4, sharpness=1.0), rows(640, 4, sharpness=1.0)[0] ** 0.2
    unsure = (doubtful / doubtful.sum(axis=1, keepdims=True), sure[1])
    assert any("surer than it is right" in said for said in sentences(a_report(judged(sure))))
    assert any("right more often than it is sure" in said for said in sentences(a_report(judged(unsure))))


def test_a_verdict_gives_the_reasons_with_their_figures() -> None:
    result = a_result(sharpness=1.0)
    ruling = a_report(result).ruling
    answers = {answer.question: answer for answer in ruling.answers}
    assert (ruling.words, ruling.satisfactory) == ("NEEDS REVIEW", False)
    assert answers["Complete"].answer == "yes"
    assert answers["Safe"].answer == "no"
    assert f"{result.utrace.uncertainty:.4f}" in answers["Safe"].reasons[0]
    assert f"{(result.utrace.accuracy or 0) * 100:.2f} %" in answers["Useful"].reasons[0]


def test_a_perfect_model_is_satisfactory_unless_its_session_broke_off() -> None:
    result = judged(perfect(640, 4))
    assert a_report(result).ruling.words == "SATISFACTORY"
    report = a_report(result, state="TIMED_OUT", reason="nothing came for 60 seconds")
    assert report.ruling.words == "NEEDS REVIEW"
    assert [answer.met for answer in report.ruling.answers] == [False, True, True, True]


@pytest.mark.parametrize("result", [None, Evaluator().result()])
def test_a_session_without_a_result_has_a_report_that_says_why(result: Result | None) -> None:
    notes = Notes(missing=Missing((), (range(4),), ("inputs", "outputs")), troubles=("queue 'out' does not exist",))
    report = a_report(result, notes, state="FAILED", reason="the queue 'out' is gone")
    assert dict(report.facts)["Why"] == "the queue 'out' is gone"
    assert report.ruling.words == "NEEDS REVIEW"
    assert [answer.met for answer in report.ruling.answers] == [False, None, None, None]
    said = sentences(report)
    assert "No batch was evaluated, so that this report holds no figures." in said
    assert "Batches whose probabilities never came (4): 0–3." in said
    assert "The end of the probabilities was never told." in said
    assert "Trouble: queue 'out' does not exist" in said
    assert not pictures(report)


def test_what_is_missing_is_named() -> None:
    notes = Notes(missing=Missing((range(3, 4), range(7, 10)), (range(2),), ("outputs",)))
    said = sentences(a_report(a_result(), notes, state="TIMED_OUT"))
    assert "Batches whose labels never came (4): 3, 7–9." in said
    assert "Batches whose probabilities never came (2): 0–1." in said
    assert "No batch of labels was marked as the last." not in said
    assert any("figures below are of what was joined until then" in one for one in said)


def test_a_very_long_list_is_cut_and_says_how_much() -> None:
    gaps = tuple(range(at, at + 1) for at in range(0, 1000, 2))
    (said,) = (one for one in sentences(a_report(None, Notes(missing=Missing(gaps, (), ())))) if "labels never" in one)
    assert said.startswith("Batches whose labels never came (500): 0, 2, 4")
    assert said.endswith(f"and {500 - SPANS_TOLD} more.")


def test_conflicts_duplicates_and_strays_are_told() -> None:
    conflicts = [Conflict(5, "inputs", "content"), Conflict(9, "outputs", "end")]
    said = sentences(a_report(a_result(), Notes(conflicts=conflicts, duplicates=1200, strays=2, unlabelled=3)))
    assert any("(2): labels of batch 5, probabilities of batch 9. The first content counts" in one for one in said)
    assert any(one.endswith("changed nothing: 1,200.") for one in said)
    assert any(one.endswith("set aside: 2.") for one in said)
    assert any("without labels" in one and one.endswith(": 3.") for one in said)


def test_a_session_in_which_nothing_went_wrong_says_so() -> None:
    assert section(a_report(a_result()), "What came, and what did not").content == (ENGLISH.all_came,)


def test_weaknesses_are_told_once_each() -> None:
    report = a_report(judged(rows(48, 4)))
    said = sentences(report)
    assert "The initial calibration rests on 3 of its 5 batches." in said
    assert "None of the 4 batches that estimate the uncertainty came." in said
    assert any("0 samples in 15 bins are few" in one for one in said)
    assert len(said) == len(set(said))


def test_too_few_batches_leave_the_rest_of_the_report_standing() -> None:
    report = a_report(judged(rows(48, 4)))
    assert [answer.answer for answer in report.ruling.answers] == ["yes", "not judged", "not judged", "not judged"]
    assert table(section(report, "Uncertainty"))["Empirical coverage"] == ("not known", "")
    assert table(section(report, "Calibration")).keys() >= {"Brier score", "Accuracy"}
    assert len(pictures(report)) == 3


def test_as_many_classes_as_can_be_read_are_a_matrix_and_more_a_list() -> None:
    for classes in (2, READABLE):
        assert len(pictures(a_report(a_result(classes=classes)))) == 4
    report = a_report(a_result(classes=READABLE + 1, sharpness=0.0))
    assert len(pictures(report)) == 3
    (confusions,) = (part for part in section(report, "Predictions").content if isinstance(part, Table))
    counts = [int(row[2]) for row in confusions.rows]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 20


def test_without_a_matrix_the_report_says_why() -> None:
    assert any("With 101 classes no account" in one for one in sentences(a_report(a_result(classes=101))))
    assert ENGLISH.no_confusion in sentences(a_report(judged(perfect(640, READABLE + 1))))


def test_what_others_sent_is_printable_and_short() -> None:
    report = a_report(None, Notes(troubles=["x" * 10_000]), client_id=HOSTILE, reason=HOSTILE, model_type=HOSTILE)
    facts = dict(report.facts)
    assert "<script>" in facts["Client"]
    assert all(value.isprintable() for value in facts.values())
    assert max(map(len, sentences(report))) < LONGEST + 20


def test_the_same_session_makes_the_same_report() -> None:
    assert a_report(a_result()) == a_report(a_result())


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"coverage": 0.9, "target": 0.95}, ("90.00 %", "95.00 %")),
        ({"coverage": 0.94999, "target": 0.95}, ("94.999 %", "95.000 %")),
        ({"uncertainty": 0.1, "alpha": 0.1}, ("0.1000", "0.1000")),
        ({"uncertainty": 0.1000004, "alpha": 0.1}, ("0.1000004", "0.1000000")),
        ({"uncertainty": 0.1 + 1e-12, "alpha": 0.1}, ("0.1000", "0.1000")),
    ],
)
def test_figures_that_differ_look_different(figures: dict[str, float], told: tuple[str, ...]) -> None:
    assert tuple(figures_of(Reason("COVERAGE_KEPT", True, figures)).values()) == told


def reasons() -> Iterator[Reason]:
    full = Evidence(True, 10, accuracy=0.9, alpha=0.1, uncertainty=0.1, coverage=0.95, max_set_size=4)
    poor = Evidence(False, 10, accuracy=0.1, alpha=0.1, uncertainty=0.9, coverage=0.15, max_set_size=10)
    for evidence in (full, poor, Evidence(True)):
        yield from (reason for check in judge(evidence).checks for reason in check.reasons)


def test_every_reason_has_words_for_its_figures() -> None:
    found = list(reasons())
    assert {reason.code for reason in found} == set(get_args(Code))
    for reason in found:
        said = ENGLISH.reasons[reason.code].format(**figures_of(reason))
        assert said.endswith(".")
        assert "{" not in said


def places(words: object) -> list[set[str | None]]:
    """The names that a text has places for."""
    if isinstance(words, str):
        return [{name for _, name, _, _ in string.Formatter().parse(words) if name is not None}]
    if isinstance(words, Mapping):
        return [place for key in sorted(words) for place in places(words[key])]
    return [place for one in words for place in places(one)] if isinstance(words, tuple) else []


@pytest.mark.parametrize("texts", LANGUAGES.values(), ids=LANGUAGES)
def test_every_word_is_there(texts: Texts) -> None:
    assert texts.reasons.keys() == set(get_args(Code))
    assert texts.criteria.keys() == set(get_args(Criterion))
    assert texts.weaknesses.keys() == set(get_args(WeaknessCode))
    assert texts.states.keys() == set(get_args(State))
    assert texts.scores.keys() == set(get_args(Score))
    assert all(getattr(texts, one.name) for one in fields(Texts))


THE_SAME_EVERYWHERE = {"not_met", "at_least", "at_most", "spread", "target", "panel_alpha"}


@pytest.mark.parametrize("name", [one.name for one in fields(Texts)])
def test_a_translation_has_words_of_its_own_with_the_same_figures(name: str) -> None:
    english, spanish = getattr(ENGLISH, name), getattr(SPANISH, name)
    assert places(english) == places(spanish)
    assert (english == spanish) == (name in THE_SAME_EVERYWHERE)


def test_a_report_in_spanish_has_the_originals_words() -> None:
    session, perfect_one = a_session(), judged(perfect(640, 4))
    assert build_report(session, perfect_one, Notes(), MOMENT, SPANISH).ruling.words == "SATISFACTORIO"
    report = build_report(session, None, Notes(), MOMENT, SPANISH)
    assert (report.title, report.ruling.words) == ("Informe de evaluación de incertidumbre", "REQUIERE REVISIÓN")


@settings(max_examples=25)
@given(
    count=some.integers(0, 120),
    classes=some.integers(2, 25),
    sharpness=some.floats(-3, 6),
    batch=some.integers(5, 40),
    stages=some.builds(Stages, calibration_batches=some.integers(0, 4), uncertainty_batches=some.integers(0, 4)),
    state=some.sampled_from(get_args(State)),
)
def test_whatever_a_session_showed_it_has_a_report(
    count: int, classes: int, sharpness: float, batch: int, stages: Stages, state: State
) -> None:
    result = judged(rows(count, classes, sharpness=sharpness), batch=batch, stages=stages)
    ended_at = None if state == "OPEN" else MOMENT
    report = build_report(a_session(state=state, ended_at=ended_at), result, Notes(), MOMENT)
    whole = repr(report)
    assert "nan" not in whole.replace("meaning", "")
    assert all(answer.reasons for answer in report.ruling.answers)
    assert report.ruling.satisfactory <= (state == "COMPLETED")
