"""Amazon MQ's event as the bridge writes it; tests/integration/test_mq_bridge.py sees it arrive."""

import json
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from quintet_localstack.mq.event import PAYLOAD_LIMIT, Source, header, moment, record

NONE = dict.fromkeys(
    ["content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to",
     "expiration", "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Jan 1, 1970, 12:00:00 AM"),
        (2021, "Jan 1, 1970, 12:33:41 AM"),
        (12 * 3600, "Jan 1, 1970, 12:00:00 PM"),
        (1795269909, "Nov 21, 2026, 2:05:09 PM"),
        (2**63, None),
    ],
)
def test_a_time_is_written_for_americans(seconds: int, text: str | None) -> None:
    assert moment(seconds) == text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("ü", {"bytes": [-61, -68]}),
        (b"\x00\x7f\x80\xff", {"bytes": [0, 127, -128, -1]}),
        (10, 10),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (float("nan"), None),
        (Decimal("2.5"), 2.5),
        (datetime(1970, 1, 1, 0, 33, 41), "Jan 1, 1970, 12:33:41 AM"),
        ([{"a": "b"}], [{"a": {"bytes": [98]}}]),
    ],
)
def test_a_header_is_written_as_java_writes_it(value: Any, written: Any) -> None:
    assert header(value) == written


def test_an_event_names_its_source_and_has_its_records_in_order() -> None:
    source = Source("arn:broker", 'a "queue"', "host")
    records = [record(SimpleNamespace(**NONE), body, False) for body in (b"a", b"b")]
    event = json.loads(source.event(records))
    assert (event["eventSource"], event["eventSourceArn"]) == ("aws:rmq", "arn:broker")
    assert [one["data"] for one in event["rmqMessagesByQueue"]['a "queue"::host']] == ["YQ==", "Yg=="]


def test_a_record_that_just_fits_makes_a_payload_of_six_megabytes() -> None:
    source = Source("arn:broker", "queue")
    assert len(source.event([b"x" * source.room])) == PAYLOAD_LIMIT
