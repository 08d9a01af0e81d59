"""Claim check: a large body travels as a pointer, and a pointer leads nowhere but into our own claims."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.entry.claims import QUEUE_LIMIT, ClaimCheckQueue, redeem
from quintet.kernel.errors import InvalidInput, NotFound, Unavailable

BUCKET = "ours"
POINTER = "software.amazon.payloadoffloading.PayloadS3Pointer"


def pointer(bucket: object = BUCKET, key: object = "claims/1") -> str:
    return json.dumps([POINTER, {"s3BucketName": bucket, "s3Key": key}])


@given(body=some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=1), limit=some.integers(0, 40))
def test_every_body_comes_back_as_it_went(body: str, limit: int) -> None:
    queue, objects = MemoryQueue(), MemoryObjects()
    ClaimCheckQueue(queue, objects, BUCKET, limit).send(body, {"correlation_id": "order-17"})
    [(travelling, attributes)] = queue.sent
    assert redeem(travelling, objects, BUCKET) == body
    assert attributes == {"correlation_id": "order-17"}
    assert bool(objects.keys()) == (len(body.encode()) > limit)


def test_a_large_body_fits_every_queue() -> None:
    queue, objects = MemoryQueue(limit=QUEUE_LIMIT), MemoryObjects()
    attributes = {f"a{number}": "x" * 500 for number in range(10)}
    for size in (QUEUE_LIMIT - 10_000, QUEUE_LIMIT - 5000, QUEUE_LIMIT, 6_000_000):
        ClaimCheckQueue(queue, objects, BUCKET).send("ü" * (size // 2), attributes)
    assert [len(redeem(body, objects, BUCKET)) for body, _ in queue.sent][-1] == 3_000_000
    assert len(objects.keys()) == 3


def test_the_object_is_there_before_the_pointer() -> None:
    objects = MemoryObjects()
    with pytest.raises(Unavailable):
        ClaimCheckQueue(MemoryQueue(away=True), objects, BUCKET, limit=0).send("large")
    assert len(objects.keys()) == 1


def test_the_pointer_is_that_of_amazons_clients() -> None:
    queue, objects = MemoryQueue(), MemoryObjects()
    ClaimCheckQueue(queue, objects, BUCKET, limit=0).send("large")
    name, target = json.loads(queue.sent[0][0])
    assert (name, target) == (POINTER, {"s3BucketName": BUCKET, "s3Key": objects.keys()[0]})


@pytest.mark.parametrize(
    "body",
    [
        pointer(bucket="theirs"),
        pointer(key="uploads/ada/1"),
        pointer(key="results/1"),
        pointer(key="/claims/1"),
        pointer(key=None),
        pointer(key=["claims/1"]),
        pointer(key={"claims/": 1}),
    ],
)
def test_a_foreign_pointer_is_refused(body: str) -> None:
    objects = MemoryObjects()
    for key in ("claims/1", "uploads/ada/1", "results/1", "/claims/1"):
        objects.put(key, b"secret")
    with pytest.raises(InvalidInput) as refusal:
        redeem(body, objects, BUCKET)
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize(
    "body",
    [
        POINTER,
        f'["{POINTER}"]',
        f'["{POINTER}", 1]',
        f'["{POINTER}", "ab"]',
        f'["{POINTER}", {{}}]',
        f'{{"{POINTER}": 1}}',
        f'["{POINTER}", {{"s3BucketName": "ours"}}]',
        f'["{POINTER}", {{"s3Bucket',
    ],
)
def test_a_broken_pointer_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        redeem(body, MemoryObjects(), BUCKET)


def test_an_expired_claim_is_not_found() -> None:
    with pytest.raises(NotFound):
        redeem(pointer(), MemoryObjects(), BUCKET)


def test_a_claim_that_is_no_text_is_refused() -> None:
    objects = MemoryObjects()
    objects.put("claims/1", b"\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        redeem(pointer(), objects, BUCKET)


@pytest.mark.parametrize("value", ["text", "{}", "", "[1, 2]", json.dumps({"about": "x" * 100 + POINTER})])
def test_any_other_body_is_itself(value: Any) -> None:
    assert redeem(value, MemoryObjects(), BUCKET) == value
