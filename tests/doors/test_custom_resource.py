"""CloudFormation hears how it went, whatever happens."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from quintet.entry.custom_resource import REASON_LIMIT, on_custom_resource
from quintet.kernel.errors import Unavailable

pytestmark = pytest.mark.enable_socket


class Garden(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    trees: int


class CloudFormation(ThreadingHTTPServer):
    """Keeps what it is told: (content type, answer)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.told: list[tuple[str, dict[str, str]]] = []

    def request(self, kind: str, **more: Any) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ResponseURL": f"http://127.0.0.1:{self.server_address[1]}/answer",
            "StackId": "arn:stack",
            "RequestId": "r-1",
            "LogicalResourceId": "Garden",
            "ResourceProperties": {"ServiceToken": "arn:function", "trees": "3"},
            **more,
        }


class Door(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.told.append((self.headers["content-type"], body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
        pass


@pytest.fixture
def formation() -> Iterator[CloudFormation]:
    with CloudFormation() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def planted() -> list[int]:
    return []


@pytest.mark.parametrize(("kind", "trees"), [("Create", [3]), ("Update", [3]), ("Delete", [])])
def test_what_is_made_is_told_and_what_was_made_stays(
    formation: CloudFormation, planted: list[int], kind: str, trees: list[int]
) -> None:
    handler = on_custom_resource(Garden)(lambda garden: planted.append(garden.trees))
    handler(formation.request(kind), None)
    assert planted == trees
    [(content_type, answer)] = formation.told
    assert content_type == ""
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "arn:stack/Garden",
        "StackId": "arn:stack",
        "RequestId": "r-1",
        "LogicalResourceId": "Garden",
    }


def test_it_stays_the_resource_that_it_was(formation: CloudFormation) -> None:
    """Another identifier would make CloudFormation remove the one before."""
    on_custom_resource(Garden)(lambda garden: None)(formation.request("Update", PhysicalResourceId="as before"), None)
    assert formation.told[0][1]["PhysicalResourceId"] == "as before"


def test_what_fails_is_told_with_its_reason(formation: CloudFormation) -> None:
    def fail(garden: Garden) -> None:
        raise Unavailable("the spade is away", place="shed" * 1000)

    on_custom_resource(Garden)(fail)(formation.request("Create"), None)
    answer = formation.told[0][1]
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("Unavailable: the spade is away {'place': 'shed")
    assert len(answer["Reason"]) == REASON_LIMIT


def test_properties_that_make_no_sense_are_told(formation: CloudFormation, planted: list[int]) -> None:
    request = formation.request("Create", ResourceProperties={"trees": "many"})
    on_custom_resource(Garden)(lambda garden: planted.append(garden.trees))(request, None)
    assert formation.told[0][1]["Status"] == "FAILED"
    assert "trees" in formation.told[0][1]["Reason"]
    assert planted == []
