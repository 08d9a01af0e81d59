"""The metrics: the original's by their names, labels and buckets, what fills them, and the page they are on."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from quintet.adapters.memory_telemetry import MemoryTelemetry
from quintet.adapters.process_load import ProcessLoad
from quintet.adapters.prometheus_page import page
from quintet.handover.errors import ModelNotReadyError
from quintet.handover.messages import Prediction
from quintet.handover.scraping import Scrape
from quintet.handover.telemetry import (
    ANTENNAS,
    CONFIDENCE,
    METRICS,
    MOST_ANTENNAS,
    answered,
    failed,
    handed_over,
    trained,
)
from quintet.kernel.errors import Unavailable
from quintet.kernel.telemetry import Change, Count, Family, Gauge, Metric, Observe, Recent
from tests.clouds import ROOT

ORIGINALS = {
    "ml_prediction_requests_total": ("counter", ("status",)),
    "ml_prediction_latency_seconds": ("histogram", ()),
    "ml_antenna_predictions_total": ("counter", ("antenna_id",)),
    "ml_prediction_confidence_avg": ("gauge", ("antenna_id",)),
    "ml_model_training_duration_seconds": ("histogram", ()),
    "ml_model_training_samples": ("gauge", ()),
    "ml_model_training_accuracy": ("gauge", ()),
    "ml_feature_importance": ("gauge", ("feature",)),
    "ml_data_drift_score": ("gauge", ()),
    "ml_prediction_error_rate": ("gauge", ()),
    "ml_cpu_usage_percent": ("gauge", ()),
    "ml_memory_usage_bytes": ("gauge", ()),
    "ml_pingpong_suppressions_total": ("counter", ("reason",)),
    "ml_handover_interval_seconds": ("histogram", ()),
}
BUCKETS = {
    "ml_prediction_latency_seconds": [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, math.inf],
    "ml_model_training_duration_seconds": [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, math.inf],
    "ml_handover_interval_seconds": [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, math.inf],
}
DASHBOARD = ROOT / "infra/grafana/handover.json"


@dataclass(frozen=True)
class Manifest:
    version: str = "1.0.7"
    kind: str = "lightgbm"
    samples: int = 500
    metrics: dict[str, Any] = field(default_factory=lambda: {"val_accuracy": 0.93})
    importance: dict[str, float] = field(default_factory=lambda: {"rsrp_current": 0.75, "speed": 0.25})


def prediction(antenna: str = "antenna_1", **more: Any) -> Prediction:
    said: dict[str, Any] = {
        "ue_id": "ue-1", "predicted_antenna": antenna, "confidence": 0.5, "features_used": (), "ranking": (),
        "reason": "", "model_type": "lightgbm", "model_version": "1.0.0",
    }  # fmt: skip
    return Prediction.model_validate(said | more)


def scrape(telemetry: MemoryTelemetry, manifest: Manifest | None = None) -> Scrape:
    return Scrape(telemetry, lambda: manifest or Manifest(), lambda: (12.5, 1024))


def everything() -> list[Family]:
    """Of a room in which everything has happened."""
    telemetry = MemoryTelemetry(METRICS)
    for metric in METRICS:
        labels = tuple("x" for _ in metric.labels)
        telemetry.add(happened(metric, labels))
    telemetry.add(*answered(prediction(), 0.004), *failed(0.1))
    return scrape(telemetry).families()


def happened(metric: Metric, labels: tuple[str, ...]) -> Change:
    if metric.kind == "counter":
        return Count(metric, labels)
    return Gauge(metric, 0.5, labels) if metric.kind == "gauge" else Observe(metric, 0.1, labels)


def read(families: Sequence[Family]) -> dict[str, Any]:
    """Prometheus's own reading of the page: {(name, labels): value}."""
    parsed = text_string_to_metric_families(page(families).decode())
    return {
        f"{one.name}{json.dumps(one.labels, sort_keys=True) if one.labels else ''}": one.value
        for family in parsed
        for one in family.samples
    }


def test_the_originals_are_there_by_name_type_and_labels() -> None:
    declared = {
        metric.name: ("gauge" if metric.kind == "average" else metric.kind, metric.labels) for metric in METRICS
    }
    assert {name: declared.get(name) for name in ORIGINALS} == ORIGINALS
    assert len(declared) == len(METRICS)


def test_the_page_says_their_types_as_prometheus_reads_them() -> None:
    parsed = {family.name: family for family in text_string_to_metric_families(page(everything()).decode())}
    for name, (kind, labels) in ORIGINALS.items():
        family = parsed[name.removesuffix("_total") if kind == "counter" else name]
        assert family.type == kind
        assert family.documentation
        assert set(labels) <= set(family.samples[0].labels)
    for name, bounds in BUCKETS.items():
        said = [float(one.labels["le"]) for one in parsed[name].samples if one.name.endswith("_bucket")]
        assert said == bounds


def test_a_histogram_is_summed_up_from_bucket_to_bucket() -> None:
    telemetry = MemoryTelemetry(METRICS)
    telemetry.add(*(change for seconds in (0.0005, 0.004, 0.004, 99.0) for change in answered(prediction(), seconds)))
    said = read(telemetry.read())
    assert said['ml_prediction_latency_seconds_bucket{"le": "0.001"}'] == 1
    assert said['ml_prediction_latency_seconds_bucket{"le": "0.005"}'] == 3
    assert said['ml_prediction_latency_seconds_bucket{"le": "5.0"}'] == 3
    assert (
        said['ml_prediction_latency_seconds_bucket{"le": "+Inf"}'] == said["ml_prediction_latency_seconds_count"] == 4
    )
    assert said["ml_prediction_latency_seconds_sum"] == pytest.approx(99.0085)


@pytest.mark.parametrize("antenna", ['a "quoted" one', "back\\slash", "AAAAA1001", "日本", "a,b={c}", "x y"])
def test_any_antennas_name_comes_back(antenna: str) -> None:
    telemetry = MemoryTelemetry(METRICS)
    telemetry.add(*answered(prediction(antenna), 0.01))
    assert read(telemetry.read())[f"ml_antenna_predictions_total{json.dumps({'antenna_id': antenna})}"] == 1


def test_two_hundred_predictions_are_two_hundred() -> None:
    telemetry = MemoryTelemetry(METRICS)
    for number in range(200):
        telemetry.add(*answered(prediction(f"antenna_{number % 2}", confidence=0.25 + 0.5 * (number % 2)), 0.01))
    said = read(telemetry.read())
    assert said['ml_prediction_requests_total{"status": "success"}'] == 200
    assert said['ml_prediction_requests_total{"status": "error"}'] == 0
    assert said['ml_antenna_predictions_total{"antenna_id": "antenna_0"}'] == 100
    assert said['ml_prediction_confidence_avg{"antenna_id": "antenna_0"}'] == 0.25
    assert said['ml_prediction_confidence_avg{"antenna_id": "antenna_1"}'] == 0.75


def test_however_many_antennas_callers_name_the_page_has_an_end() -> None:
    telemetry = MemoryTelemetry(METRICS)
    for number in range(MOST_ANTENNAS + 100):
        telemetry.add(*answered(prediction(f"antenna_{number}"), 0.01))
    families = {family.metric.name: family for family in telemetry.read()}
    for metric in (ANTENNAS, CONFIDENCE):
        assert len(families[metric.name].series) == MOST_ANTENNAS + 1
    assert read(telemetry.read())['ml_antenna_predictions_total{"antenna_id": "other"}'] == 100


def test_what_held_a_prediction_back_is_counted() -> None:
    telemetry = MemoryTelemetry(METRICS)
    telemetry.add(*answered(prediction(suppression_reason="too_recent", anti_pingpong_applied=True), 0.01))
    telemetry.add(*answered(prediction(fallback_reason="too_few_antennas"), 0.01), *handed_over(7.0))
    said = read(telemetry.read())
    assert said['ml_pingpong_suppressions_total{"reason": "too_recent"}'] == 1
    assert said['ml_pingpong_suppressions_total{"reason": "too_many"}'] == 0
    assert said['ml_pingpong_suppressions_total{"reason": "immediate_return"}'] == 0
    assert said["ml_prediction_fallbacks_total"] == 1
    assert said['ml_handover_interval_seconds_bucket{"le": "5.0"}'] == 0
    assert said['ml_handover_interval_seconds_bucket{"le": "10.0"}'] == 1


def test_the_error_rate_is_that_of_the_last_hundred() -> None:
    telemetry = MemoryTelemetry(METRICS)
    assert "ml_prediction_error_rate" not in read(scrape(telemetry).families())
    for number in range(40):
        telemetry.add(*(failed(0.1) if number % 4 == 0 else answered(prediction(), 0.1)))
    assert read(scrape(telemetry).families())["ml_prediction_error_rate"] == 0.25
    for _ in range(100):
        telemetry.add(*answered(prediction(), 0.1))
    said = read(scrape(telemetry).families())
    assert said["ml_prediction_error_rate"] == 0
    assert said['ml_prediction_requests_total{"status": "error"}'] == 10


def test_a_training_is_timed() -> None:
    telemetry = MemoryTelemetry(METRICS)
    telemetry.add(*trained(45.0, "drift", "done"))
    said = read(telemetry.read())
    assert said['ml_model_training_duration_seconds_bucket{"le": "60.0"}'] == 1
    assert said['ml_model_trainings_total{"outcome": "done", "reason": "drift"}'] == 1


def test_a_scrape_describes_the_active_model_and_its_process() -> None:
    said = read(scrape(MemoryTelemetry(METRICS)).families())
    assert said['ml_model_info{"model_type": "lightgbm", "version": "1.0.7"}'] == 1
    assert said["ml_model_training_samples"] == 500
    assert said["ml_model_training_accuracy"] == 0.93
    assert said['ml_feature_importance{"feature": "rsrp_current"}'] == 0.75
    assert (said["ml_cpu_usage_percent"], said["ml_memory_usage_bytes"]) == (12.5, 1024)


@pytest.mark.parametrize("accuracy", [None, "high", math.nan])
def test_a_model_that_was_not_validated_has_no_accuracy(accuracy: object) -> None:
    manifest = Manifest(metrics={"val_accuracy": accuracy})
    assert "ml_model_training_accuracy" not in read(scrape(MemoryTelemetry(METRICS), manifest).families())


def test_after_a_switch_nothing_is_left_of_the_model_before() -> None:
    telemetry = MemoryTelemetry(METRICS)
    scrape(telemetry).families()
    after = Manifest("1.0.8", "lstm", 10, {}, {"sinr": 1.0})
    said = read(scrape(telemetry, after).families())
    assert [name for name in said if name.startswith(("ml_model_info", "ml_feature_importance"))] == [
        'ml_feature_importance{"feature": "sinr"}',
        'ml_model_info{"model_type": "lstm", "version": "1.0.8"}',
    ]


def test_a_scrape_goes_on_where_no_model_can_be_described() -> None:
    def none() -> Manifest:
        raise ModelNotReadyError("No model can answer.")

    said = read(Scrape(MemoryTelemetry(METRICS), none, lambda: (1.0, 1)).families())
    assert said['ml_prediction_requests_total{"status": "success"}'] == 0
    assert not [name for name in said if name.startswith("ml_model_info")]


class Away(MemoryTelemetry):
    def read(self) -> list[Family]:
        raise Unavailable("the cache does not answer")

    def kept(self, recent: Recent) -> list[str]:
        raise Unavailable("the cache does not answer")


def test_without_the_sums_there_is_no_page() -> None:
    with pytest.raises(Unavailable):
        scrape(Away(METRICS)).families()


def test_the_load_is_this_processes() -> None:
    load = ProcessLoad()
    sum(range(2_000_000))
    busy, resident = load()
    assert busy > 0
    assert 10_000_000 < resident < 100_000_000_000


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def shown(metric: Metric) -> set[str]:
    """The names under which Prometheus knows it."""
    parts = {"_bucket", "_sum", "_count"} if metric.kind == "histogram" else {""}
    return {metric.name + part for part in parts}


def named(expression: str) -> set[str]:
    return set(re.findall(r"\bml_[a-z0-9_]+", expression))


def test_the_dashboard_names_only_metrics_that_there_are() -> None:
    known = {name for metric in METRICS for name in shown(metric)}
    for panel in panels():
        for target in panel["targets"]:
            assert named(target["expr"])
            assert named(target["expr"]) <= known, panel["title"]


def test_the_dashboard_shows_every_metric() -> None:
    asked = {name for panel in panels() for target in panel["targets"] for name in named(target["expr"])}
    assert [metric.name for metric in METRICS if not shown(metric) & asked] == []


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["uid"]
    assert board["schemaVersion"] >= 36
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["description"], panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_no_two_panels_stand_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + right, at["y"] + down) for right in range(at["w"]) for down in range(at["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells
