"""Traces kept by handle, as deployed: many Lambda environments, Redis and the bucket between them."""

import base64
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from infra.local.demo.exports import Sample, write_dexcom
from infra.local.folder import Folder, read_json
from tests.clouds import LocalCloud
from tests.integration.test_glucose import SAMPLES, api, plot

__all__ = ["api"]


def export(more: float) -> bytes:
    """Another trace for each `more`."""
    return write_dexcom([Sample(it.time, it.glucose + more, it.carbs, it.insulin) for it in SAMPLES[:288]])


def process(api: httpx.Client, content: bytes) -> str:
    answer = api.post("/process_unified", json={"csv_base64": base64.b64encode(content).decode()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["error"] is None
    return str(answer.json()["handle"])


def draw(api: httpx.Client, handle: str, index: int = 0, **headers: str) -> httpx.Response:
    return api.post("/draw_a_plot", json={"handle": handle, "index": index}, headers=headers)


def test_any_environment_draws_what_one_has_processed(api: httpx.Client) -> None:
    handle = process(api, export(1.0))
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: draw(api, handle), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert plot(api, export(1.0)).json()["plot_data"] == answers[0].json()


def test_a_picture_comes_through_the_gateway_byte_for_byte(api: httpx.Client) -> None:
    handle = process(api, export(2.0))
    png = draw(api, handle, Accept="image/png")
    assert (png.status_code, png.headers["content-type"]) == (200, "image/png")
    assert png.content.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.content.endswith(b"IEND\xaeB`\x82")
    assert draw(api, handle, Accept="image/svg+xml").text.startswith("<svg")


def test_one_call_erases_a_handle_everywhere(api: httpx.Client, collection: LocalCloud) -> None:
    handle = process(api, export(3.0))
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: draw(api, handle), range(16)))  # it is in several environments' memory now
    assert objects_of(collection, handle)
    erased = api.post(f"/cache_management?action=delete&handle={handle}").json()
    assert erased["success"]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: draw(api, handle).status_code, range(24)))
    assert set(answers) == {404}
    assert not objects_of(collection, handle)


def objects_of(collection: LocalCloud, handle: str) -> list[str]:
    """Those that hold something of the trace."""
    bucket = collection.endpoints.bucket
    listed = collection.client("s3").list_objects_v2(Bucket=bucket, Prefix="glucose/cache/")
    return [one["Key"] for one in listed.get("Contents", []) if handle in one["Key"]]


def test_without_redis_the_room_answers_and_says_so(api: httpx.Client, collection: LocalCloud) -> None:
    handle = process(api, export(4.0))
    expected = draw(api, handle).text
    with redis_stopped(collection):
        assert draw(api, handle).text == expected
        assert process(api, export(5.0))
        told = api.get("/health").json()
        assert told["status"] == "degraded"
        assert "the cache does not answer" in told["notes"][0]
        refused = api.post(f"/cache_management?action=delete&handle={handle}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert api.post(f"/cache_management?action=delete&handle={handle}").json()["success"]
    assert draw(api, handle).status_code == 404


@contextmanager
def redis_stopped(collection: LocalCloud) -> Iterator[None]:
    """It takes connections and answers none of them, which is the slower way to be away."""
    redis = read_json(Folder(collection.folder).records / "redis.json")["pid"]
    os.kill(redis, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis, signal.SIGCONT)
