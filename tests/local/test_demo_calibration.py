"""What the demonstration sends as an outside client of the calibration room, and what it insists on."""

from collections import Counter
from typing import Any

import httpx
import numpy as np
import pytest
from rich.console import Console

from infra.local.demo import calibration
from infra.local.demo.calibration_messages import BATCH, Rows, disordered, judged, messages
from infra.local.errors import CloudError
from quintet.adapters.memory import MemoryObjects
from quintet.calibration.evaluation import Evaluator, Result
from quintet.calibration.wire import inputs_half, outputs_half

SILENT = Console(quiet=True)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return judged()


@pytest.fixture(scope="module")
def result(rows: Rows) -> Result:
    evaluator = Evaluator()
    for index in range(rows.batches):
        part = slice(index * BATCH, (index + 1) * BATCH)
        evaluator.add(index, rows.probabilities[part], rows.labels[part])
    return evaluator.result()


def test_the_service_reads_what_a_client_writes(rows: Rows) -> None:
    sent = list(messages(rows))
    inputs = [inputs_half(body) for side, body in sent if side == "inputs"]
    outputs = [outputs_half(body) for side, body in sent if side == "outputs"]
    assert [half.index for half in inputs] == [half.index for half in outputs] == list(range(rows.batches))
    assert np.array_equal(np.concatenate([half.probabilities for half in outputs]), rows.probabilities)
    assert b"".join(half.data for half in inputs) == rows.images.tobytes()
    assert [half.last for half in inputs] == [half.last for half in outputs] == [*[False] * (rows.batches - 1), True]


def test_every_message_is_sent_and_some_are_twice(rows: Rows) -> None:
    once = list(messages(rows))
    counts = Counter(disordered(once))
    assert set(counts) == set(once)
    assert set(counts.values()) == {1, 2}
    assert disordered(once)[: len(once)] != once


def test_without_a_broker_messages_lie_where_the_worker_looks() -> None:
    objects = MemoryObjects()

    class S3:
        def put_object(self, **asked: Any) -> None:
            objects.put(asked["Key"], asked["Body"])

    line = calibration.Bucket(S3(), "bucket", "a/client")
    for body in (b"first", b"second"):
        line.send("inputs", body)
    prefix = "calibration/streams/a%2Fclient/inputs/"
    assert [objects.get(key)[0] for key, _, _ in objects.list(prefix, 10)] == [b"first", b"second"]


def test_numbers_that_differ_end_the_demonstration(rows: Rows, result: Result) -> None:
    calibration.compare(result, rows, SILENT)
    other = Rows(rows.images, rows.probabilities[::-1], rows.labels)
    with pytest.raises(CloudError, match=r"not those of evaluate\(\)"):
        calibration.compare(result, other, SILENT)


def test_a_file_of_another_kind_ends_it_too(tmp_path: Any) -> None:
    """Base64 for instance, where a gateway does not take everything as binary."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": request.headers["Accept"]}, text="iVBORw0KGgo")

    api = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://room")
    with api, pytest.raises(httpx.DecodingError, match="report is no text/html"):
        calibration.fetch(api, "one", tmp_path, SILENT)
    assert not list(tmp_path.iterdir())
