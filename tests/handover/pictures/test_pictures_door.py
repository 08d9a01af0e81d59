"""Pictures over HTTP: drawn by the packaged model, in the answer and in the bucket."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.handover.doors.open_room import OpenRoom, at_the_door

WAY = [{"latitude": 10 * at, "longitude": 5 * at, "connected_to": f"antenna_{1 + at // 5}"} for at in range(10)]


@pytest.fixture
def room() -> OpenRoom:
    return OpenRoom()


@pytest.fixture
def http(room: OpenRoom) -> Iterator[TestClient]:
    with at_the_door(room, headers=room.headers) as client:
        yield client


@pytest.mark.parametrize(("method", "path"), [("GET", "coverage-map"), ("POST", "trajectory")])
def test_a_picture_is_in_the_answer_and_in_the_bucket(http: TestClient, room: OpenRoom, method: str, path: str) -> None:
    answer = http.request(method, f"/api/visualization/{path}", json=WAY if method == "POST" else None)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    key = answer.headers["x-picture-key"]
    assert key.startswith(f"handover/pictures/{room.clock.now():%Y-%m-%d}/{path}-")
    assert room.objects.get(key) == (answer.content, "image/png")


def test_the_same_map_is_kept_once(http: TestClient) -> None:
    keys = {http.get("/api/visualization/coverage-map").headers["x-picture-key"] for _ in range(2)}
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "at least 1"),
        ({}, "array"),
        ([{"latitude": 1}], "longitude"),
        ([{"latitude": 1, "longitude": "2"}], "longitude"),
        ([{"latitude": 1, "longitude": 2, "cell": "a"}], "cell"),
    ],
)
def test_what_is_no_way_is_refused_by_name(http: TestClient, body: object, said: str) -> None:
    answer = http.post("/api/visualization/trajectory", json=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "RequestValidationError"
    assert said in answer.json()["error"]


def test_the_picture_is_described() -> None:
    paths = OpenRoom().app().openapi()["paths"]
    for path in ("coverage-map", "trajectory"):
        (operation,) = paths[f"/api/visualization/{path}"].values()
        assert list(operation["responses"]["200"]["content"]) == ["image/png"]
