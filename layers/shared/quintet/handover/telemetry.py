"""What the room measures of itself: the original's metrics with their names, labels and buckets, and ours.

Counters, histograms and averages are sums over all processes of the room. What describes the model that answers is read
from its manifest when `/metrics` is asked for, and cpu and memory are those of the process that answers then.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from quintet.handover.messages import Prediction
from quintet.kernel.telemetry import Change, Count, Family, Gauge, Keep, Metric, Observe, Recent, Series

MOST_ANTENNAS = 200
"""Antennas are named by callers: those above are summed up as `other`."""

PREDICTION_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
TRAINING_BUCKETS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
INTERVAL_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)

REQUESTS = Metric(
    "ml_prediction_requests_total", "counter", "Requests for a prediction, of all processes.", ("status",),
    first=(("success",), ("error",)),
)  # fmt: skip
LATENCY = Metric(
    "ml_prediction_latency_seconds", "histogram", "How long a prediction takes within the room.",
    buckets=PREDICTION_BUCKETS,
)  # fmt: skip
ANTENNAS = Metric(
    "ml_antenna_predictions_total", "counter", "How often each antenna was answered.", ("antenna_id",),
    most=MOST_ANTENNAS,
)  # fmt: skip
CONFIDENCE = Metric(
    "ml_prediction_confidence_avg", "average", "Mean confidence of the answers that named an antenna.",
    ("antenna_id",), most=MOST_ANTENNAS,
)  # fmt: skip
ERROR_RATE = Metric("ml_prediction_error_rate", "gauge", "Share of errors among the last 100 requests.")
SUPPRESSIONS = Metric(
    "ml_pingpong_suppressions_total", "counter", "Handovers that the guards against ping-pong held back.", ("reason",),
    first=(("too_many",), ("too_recent",), ("immediate_return",)),
)  # fmt: skip
FALLBACKS = Metric("ml_prediction_fallbacks_total", "counter", "Answers that are not the model's first choice.")
INTERVALS = Metric(
    "ml_handover_interval_seconds", "histogram", "Time between two handovers of a UE.", buckets=INTERVAL_BUCKETS
)
TRAINING_DURATION = Metric(
    "ml_model_training_duration_seconds", "histogram", "How long a training takes.", buckets=TRAINING_BUCKETS
)
TRAININGS = Metric(
    "ml_model_trainings_total", "counter", "Trainings that ended, by what asked for them and what became of them.",
    ("reason", "outcome"),
)  # fmt: skip
TRAINING_SAMPLES = Metric("ml_model_training_samples", "gauge", "Samples that the active model was trained on.")
TRAINING_ACCURACY = Metric(
    "ml_model_training_accuracy", "gauge", "Accuracy of the active model on what was held out of its training."
)
IMPORTANCE = Metric(
    "ml_feature_importance", "gauge", "How much the active model makes of each of its features.", ("feature",)
)
MODEL = Metric("ml_model_info", "gauge", "1 for the version that is active, and its type.", ("version", "model_type"))
DATA_DRIFT = Metric(
    "ml_data_drift_score", "gauge",
    "Mean shift of the features of the last looks from those of the training, in standard deviations of the training.",
)  # fmt: skip
DRIFTED = Metric("ml_data_drift_features", "gauge", "Features in which the detector finds a shift.")
DRIFTS = Metric(
    "ml_drift_events_total", "counter", "Drifts: of the data, and of the performance.", ("kind",),
    first=(("data",), ("performance",)),
)  # fmt: skip
RETRAININGS = Metric(
    "ml_retrainings_queued_total", "counter", "Retrainings that a drift has queued.", ("reason",),
    first=(("data",), ("performance",)),
)  # fmt: skip
FEEDBACK = Metric(
    "ml_feedback_samples_total", "counter", "Samples of feedback.", ("outcome",), first=(("success",), ("failure",))
)
FEEDBACK_RATE = Metric(
    "ml_feedback_success_rate", "gauge", "Share of successes in the window of the drift rule, since the last drift."
)
ONLINE_UPDATES = Metric(
    "ml_online_updates_total", "counter", "Samples from which the online model learned, or failed to.", ("outcome",)
)
QOS_FEEDBACK = Metric(
    "ml_qos_feedback_events_total", "counter", "Feedback on the quality of service.", ("service_type", "outcome")
)
REQUIRED_CONFIDENCE = Metric(
    "ml_qos_adaptive_confidence", "gauge", "Confidence that is required at the latest feedback.", ("service_type",)
)
CPU = Metric(
    "ml_cpu_usage_percent", "gauge",
    "CPU of the process that answers this scrape (one of the room's Lambda environments), since it last answered one.",
)  # fmt: skip
MEMORY = Metric("ml_memory_usage_bytes", "gauge", "Resident memory of the process that answers this scrape.")

METRICS = (
    REQUESTS, LATENCY, ANTENNAS, CONFIDENCE, ERROR_RATE, SUPPRESSIONS, FALLBACKS, INTERVALS,
    TRAINING_DURATION, TRAININGS, TRAINING_SAMPLES, TRAINING_ACCURACY, IMPORTANCE, MODEL,
    DATA_DRIFT, DRIFTED, DRIFTS, RETRAININGS, FEEDBACK, FEEDBACK_RATE, ONLINE_UPDATES, QOS_FEEDBACK,
    REQUIRED_CONFIDENCE, CPU, MEMORY,
)  # fmt: skip

OUTCOMES = Recent("outcomes", most=100, seconds=24 * 60 * 60)
"""Of the last predictions: `1` an answer, `0` an error."""


class Described(Protocol):
    """The part of a version's manifest that is shown."""

    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def samples(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, Any]: ...
    @property
    def importance(self) -> Mapping[str, float]: ...


def answered(prediction: Prediction, seconds: float) -> Iterator[Change]:
    """What a prediction that was answered adds."""
    antenna = (prediction.predicted_antenna,)
    yield Count(REQUESTS, ("success",))
    yield Observe(LATENCY, seconds)
    yield Count(ANTENNAS, antenna)
    yield Observe(CONFIDENCE, prediction.confidence, antenna)
    yield Keep(OUTCOMES, "1")
    if prediction.suppression_reason:
        yield Count(SUPPRESSIONS, (prediction.suppression_reason,))
    if prediction.fallback_reason:
        yield Count(FALLBACKS)


def failed(seconds: float) -> Iterator[Change]:
    """What a prediction adds that could not be answered, whoever's fault it is."""
    yield Count(REQUESTS, ("error",))
    yield Observe(LATENCY, seconds)
    yield Keep(OUTCOMES, "0")


def handed_over(seconds: float) -> Iterator[Change]:
    """A UE was handed over, so many seconds after the time before."""
    yield Observe(INTERVALS, seconds)


def trained(seconds: float, reason: str, outcome: str) -> Iterator[Change]:
    """A training ended: what asked for it, and how its run is said to have ended."""
    yield Observe(TRAINING_DURATION, seconds)
    yield Count(TRAININGS, (reason, outcome))


def described(manifest: Described) -> Iterator[Gauge]:
    """The active model."""
    accuracy = manifest.metrics.get("val_accuracy")
    yield Gauge(MODEL, 1, (manifest.version, manifest.kind))
    yield Gauge(TRAINING_SAMPLES, manifest.samples)
    if isinstance(accuracy, int | float) and math.isfinite(accuracy):
        yield Gauge(TRAINING_ACCURACY, accuracy)
    for feature, value in manifest.importance.items():
        yield Gauge(IMPORTANCE, value, (feature,))


def error_rate(outcomes: Iterable[str]) -> Iterator[Gauge]:
    """Of none there is no rate."""
    said = list(outcomes)
    if said:
        yield Gauge(ERROR_RATE, said.count("0") / len(said))


def filled(families: Iterable[Family], gauges: Iterable[Gauge]) -> list[Family]:
    """`families`, with what was measured just now in place of what they say of it."""
    fresh: dict[Metric, list[Series]] = {}
    for gauge in gauges:
        fresh.setdefault(gauge.metric, []).append(Series(gauge.labels, gauge.value))
    return [Family(one.metric, tuple(fresh.get(one.metric, one.series))) for one in families]
