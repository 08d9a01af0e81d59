"""What the aggregation room's demonstration shows: the hospitals' records, and what is true of them."""

from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from infra.local.demo.aggregation_records import (
    LEAST,
    OWNERS,
    RANGES,
    SCHEMA,
    hospitals,
    true_sum,
    truth,
    write_schema,
)
from infra.local.demo.aggregation_results import POSTED, VARIABLE, listening
from quintet.aggregation.decoding import decoded
from quintet.aggregation.schema import features_of
from quintet.sdk.vector_files import read_schema, vector_of_records


def test_every_record_is_in_one_hospital() -> None:
    known = hospitals()
    assert len({one.name for one in known}) == OWNERS
    assert sum(len(one.records) for one in known) == 569
    assert min(len(one.records) for one in known) >= LEAST


def test_their_files_hold_what_is_summed(tmp_path: Path) -> None:
    known = hospitals()[:3]
    schema = read_schema(write_schema(tmp_path))
    vectors = [vector_of_records(one.write(tmp_path), schema, owners=3) for one in known]
    assert [sum(elements, Decimal(0)) for elements in zip(*vectors, strict=True)] == true_sum(known)


def test_the_sums_mean_what_is_true_of_the_records() -> None:
    known = hospitals()
    found = decoded(features_of(SCHEMA), [f"{element:f}" for element in true_sum(known)])
    for feature in found[: len(RANGES)]:
        true, pooled = truth(known, feature["featureName"]), feature["pooled"]
        assert pooled["count"] == true.count == 569
        assert pooled["mean"] == pytest.approx(true.mean, abs=1e-9)
        assert pooled["standardDeviation"] == pytest.approx(true.deviation, rel=1e-6)
        assert pooled["quartiles"]["q2"]["low"] <= true.median <= pooled["quartiles"]["q2"]["high"]


@pytest.mark.enable_socket
def test_results_are_listened_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with listening():
        assert httpx.post(POSTED.url, json={"jobId": "job", "totalClients": 3}).status_code == 201
        assert POSTED.of("job", patience=5) == {"jobId": "job", "totalClients": 3}
    assert POSTED.url == ""


def test_another_place_for_results_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://elsewhere/")
    with listening():
        assert POSTED.url == ""
