"""All words of a report, in one place. Another language is one more instance; `{…}` are places for figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quintet.calibration.conformal import Score
from quintet.calibration.messages import Side, State
from quintet.calibration.verdict import Code, Criterion
from quintet.calibration.weakness import WeaknessCode


def _states() -> Mapping[State, str]:
    return {"OPEN": "Under way", "COMPLETED": "Completed", "TIMED_OUT": "Timed out", "FAILED": "Failed"}


def _criteria() -> Mapping[Criterion, str]:
    return {"complete": "Complete", "valid": "Valid", "safe": "Safe", "useful": "Useful"}


def _reasons() -> Mapping[Code, str]:
    return {
        "ALL_JOINED": "Every batch came with its probabilities.",
        "NOT_COMPLETE": "The session did not run to its end, so that its figures are of a part of the data at best.",
        "COVERAGE_KEPT": "The prediction sets hold the true class of {coverage} of the samples; "
        "1 − α asks for {target}.",
        "COVERAGE_SHORT": "The prediction sets hold the true class of only {coverage} of the samples; "
        "1 − α asks for {target}.",
        "COVERAGE_UNKNOWN": "The coverage is not known: no batch came to the stage of prediction sets.",
        "UNCERTAINTY_WITHIN": "The upper bound of the uncertainty is {uncertainty}, within α = {alpha}.",
        "UNCERTAINTY_BEYOND": "The upper bound of the uncertainty is {uncertainty}, beyond α = {alpha}. It stays "
        "within only where every set that holds the true class holds no other.",
        "UNCERTAINTY_UNKNOWN": "The uncertainty is not known: no batch came to the stage that estimates it.",
        "ACCURACY_ENOUGH": "{accuracy} of the predictions are right; at least {least} are asked for.",
        "ACCURACY_LOW": "Only {accuracy} of the predictions are right; at least {least} are asked for.",
        "ACCURACY_UNKNOWN": "The accuracy is not known: no sample was judged.",
        "SETS_TELLING": "The largest prediction set holds {size} of {classes} classes: each excludes something.",
        "SETS_TRIVIAL": "The largest prediction set holds {size} of {classes} classes and excludes nothing; "
        "at most {most} are allowed.",
        "SETS_UNKNOWN": "The size of prediction sets is not known: no batch came to their stage.",
    }


def _weaknesses() -> Mapping[WeaknessCode, str]:
    return {
        "no_calibration": "No sample came in the {expected} batches of the initial calibration: there is neither "
        "a bound of the uncertainty, nor α, nor prediction sets.",
        "short_calibration": "The initial calibration rests on {found} of its {expected} batches.",
        "coarse_alpha": "The initial calibration has {rows} samples only: no α below {smallest_alpha} can be told "
        "(95 % take 19 samples).",
        "no_uncertainty": "None of the {expected} batches that estimate the uncertainty came.",
        "short_uncertainty": "The uncertainty was estimated from {found} of {expected} batches.",
        "undecided_batches": "In {batches} of {of} batches that estimate the uncertainty no threshold covered a true "
        "class: U is 1 there, and they have no α.",
        "no_prediction_sets": "No batch came to the stage of prediction sets: coverage, set sizes and the accuracy "
        "beside them are not known.",
        "threshold_sets": "The scores are APS; the uncertainty is estimated from the sets of classes whose "
        "probability passes a threshold, as U-TraCE has it.",
        "temperature_not_fitted": "{rows} calibration samples are too few to fit a temperature to.",
        "temperature_at_bound": "The temperature ended at the edge of what is tried, {temperature}, on {rows} "
        "samples: the best lies beyond, as where every calibration sample was predicted rightly.",
        "few_rows": "{rows} samples in {bins} bins are few: ECE, MCE and ACE come out too large by chance.",
    }


@dataclass(frozen=True)
class Texts:
    """In English as it stands."""

    language: str = "en"
    title: str = "Uncertainty evaluation report"
    subtitle: str = "How far the model's probabilities can be trusted"
    code: str = "Report"
    issued: str = "Issued"
    page: str = "page {page}"

    satisfactory: str = "SATISFACTORY"
    needs_review: str = "NEEDS REVIEW"
    verdict: str = "Verdict"
    met: str = "yes"
    not_met: str = "no"
    not_judged: str = "not judged"
    verdict_satisfactory: str = "The model passes every question that is asked of it."
    verdict_review: str = "The model should not be relied on as it stands; the reasons are beside each question."
    verdict_nothing: str = "There is nothing to judge the model by."
    question: str = "Question"
    answer: str = "Answer"
    reason: str = "Reason"
    criteria: Mapping[Criterion, str] = field(default_factory=_criteria)
    reasons: Mapping[Code, str] = field(default_factory=_reasons)

    session: str = "Session"
    client: str = "Client"
    state: str = "State"
    why: str = "Why"
    states: Mapping[State, str] = field(default_factory=_states)
    registered: str = "Registered"
    ended: str = "Ended"
    model_type: str = "Kind of model"
    inputs_format: str = "Shape of inputs"
    outputs_format: str = "Shape of outputs"
    batches: str = "Batches joined"
    samples: str = "Samples"
    classes: str = "Classes"
    no_result: str = "No batch was evaluated, so that this report holds no figures."
    partial: str = "The session did not run to its end; the figures below are of what was joined until then."

    deliveries: str = "What came, and what did not"
    all_came: str = "Nothing is missing: each batch came with its probabilities, and both streams with their end."
    missing_inputs: str = "Batches whose labels never came ({count}): {indexes}."
    missing_outputs: str = "Batches whose probabilities never came ({count}): {indexes}."
    no_end_inputs: str = "No batch of labels was marked as the last."
    no_end_outputs: str = "The end of the probabilities was never told."
    conflicts: str = (
        "What came again with another content, or after what was called the last ({count}): {indexes}. The first "
        "content counts; whether it is the right one, only its sender knows."
    )
    conflict_sides: Mapping[Side, str] = field(
        default_factory=lambda: {"inputs": "labels of batch", "outputs": "probabilities of batch"}
    )
    unlabelled: str = "Batches without labels, whose probabilities can't be judged: {count}."
    duplicates: str = "Messages that said again what was known, and changed nothing: {count}."
    strays: str = "Messages of another session, which were set aside: {count}."
    trouble: str = "Trouble"
    and_more: str = "and {count} more"

    uncertainty: str = "Uncertainty"
    uncertainty_intro: str = (
        "U-TraCE, a method of conformal prediction: the first {calibration} batches collect conformity scores, the "
        "next {estimation} estimate an upper bound U of the uncertainty and its α, and each sample of the rest is "
        "given a prediction set, meant to hold the true class with a probability of 1 − α."
    )
    figure: str = "Figure"
    value: str = "Value"
    asked: str = "Asked for"
    at_least: str = "≥ {value}"
    at_most: str = "≤ {value}"
    spread: str = "{value} ± {spread}"
    accuracy: str = "Accuracy over the prediction sets' batches"
    coverage: str = "Empirical coverage"
    bound: str = "Upper bound of the uncertainty, U"
    alpha: str = "Significance level, α"
    set_size: str = "Largest prediction set, classes"
    quantile: str = "Threshold of the scores"
    score: str = "Conformity score"
    scores: Mapping[Score, str] = field(default_factory=lambda: {"lac": "LAC: 1 − p", "aps": "APS: cumulated p"})
    calibration_rows: str = "Calibration samples"
    smallest_alpha: str = "Smallest α that they can tell"
    unknown: str = "not known"
    weaknesses: Mapping[WeaknessCode, str] = field(default_factory=_weaknesses)
    dashboard: str = "How the session went, batch by batch"
    dashboard_about: str = (
        "Four charts over the index of the batch: alpha and the uncertainty's upper bound while it is estimated, then "
        "the coverage beside its target and the size of the largest prediction set."
    )
    batch: str = "batch"
    mean: str = "mean {value}"
    target: str = "1 − α = {value}"
    panel_alpha: str = "α"
    panel_bound: str = "upper bound U"
    panel_coverage: str = "coverage"
    panel_sets: str = "largest set (classes)"
    nothing: str = "no batch came to this stage"

    calibration: str = "Calibration"
    calibration_intro: str = (
        "A calibrated model is right as often as its probabilities say. A temperature T, which divides the logarithms "
        "of the probabilities, was fitted to {fitted} samples of the initial calibration; its effect is measured on "
        "the {rest} samples after them."
    )
    calibration_raw: str = (
        "A calibrated model is right as often as its probabilities say. There is no temperature to see the effect of."
    )
    all_samples: str = "All samples"
    before: str = "After calibration"
    after: str = "The same, with T"
    ece: str = "ECE, expected calibration error"
    mce: str = "MCE, its largest over the bins"
    ace: str = "ACE, its mean over the bins"
    brier: str = "Brier score"
    nll: str = "NLL, negative log-likelihood"
    top_accuracy: str = "Accuracy"
    top_confidence: str = "Mean confidence"
    overconfident: str = "T = {temperature} is above 1: the model is surer than it is right."
    underconfident: str = "T = {temperature} is below 1: the model is right more often than it is sure."
    confident: str = "T = {temperature}: the model is about as sure as it is right."
    reliability: str = "Reliability diagram"
    reliability_about: str = (
        "Per bin of confidence, the share of right predictions, against the diagonal on which a calibrated model lies. "
        "{summary}"
    )
    reliability_all: str = "all samples"
    reliability_before: str = "as sent"
    reliability_after: str = "with temperature {temperature}"
    reliability_summary: str = "ECE {ece}, {samples} samples"
    confidence: str = "confidence"
    share_right: str = "accuracy"
    samples_axis: str = "samples"
    gap: str = "gap"
    calibrated: str = "calibrated"

    predictions: str = "Predictions"
    predictions_intro: str = (
        "What the model predicts is the class of its largest probability. Over all samples: accuracy {accuracy}, and "
        "weighted by the classes' frequency precision {precision}, recall {recall}, F1 {f1}."
    )
    confusion: str = "Confusion matrix"
    confusion_about: str = "Rows are true classes, columns predicted ones; {right} of {samples} are on the diagonal."
    confusions: str = "The most frequent confusions of the {classes} classes"
    true_class: str = "true class"
    predicted_class: str = "predicted class"
    no_confusion: str = "Not one prediction was wrong."
    too_many_classes: str = "With {classes} classes no account is kept of which is taken for which."
    histogram: str = "Confidence of the predictions"
    histogram_about: str = "How many samples were predicted with which probability; {summary}."

    notes: str = "How to read this"
    glossary: tuple[str, ...] = (
        "Complete: every batch was joined and both streams came to their end. Valid: coverage ≥ 1 − α. Safe: U ≤ α. "
        "Useful: accuracy ≥ 0.60 and no prediction set of all classes.",
        "U is 1 − p · (1 − α), with p the mean of 1/size over the sets that hold the true class. It equals α only "
        "where each of these sets holds that class alone, and is larger else.",
        "U and α are means over the batches of their stage, coverage the mean over the batches with prediction sets; "
        "the largest set is the largest of them all.",
        "ECE weighs each bin's gap between confidence and accuracy with its share of the samples, ACE counts filled "
        "bins alike, MCE is the widest gap. 0 is best for all five figures.",
    )


ENGLISH = Texts()
