"""HTTP with patience: what may pass is tried again with the same bytes, and nothing else is."""

import json

import httpx
import pytest

from quintet.kernel.errors import Conflict, InvalidInput, NotFound, QuintetError, TooLarge, Unauthenticated, Unavailable
from quintet.sdk.transport import UPLOADED, Transport


class Scripted:
    """Answers in turn; `asked` is all that was."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []

    def transport(self, *, key: str = "secret", patience: float = 600) -> Transport:
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        return Transport("http://server/stage/", key, http, patience, self.slept.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_stages_name_stays_before_the_path() -> None:
    server = Scripted(httpx.Response(200, json={}))
    server.transport().get("/api/x", {"client": "a/b"})
    assert str(server.asked[0].url) == "http://server/stage/api/x?client=a%2Fb"
    assert server.asked[0].headers["X-API-Key"] == "secret"


def test_without_a_key_none_is_sent() -> None:
    server = Scripted(httpx.Response(200, json={}))
    server.transport(key="").get("/api/x")
    assert "X-API-Key" not in server.asked[0].headers


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "server", "ftp://server"])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    slept: list[float] = []
    with httpx.Client() as http, pytest.raises(InvalidInput, match="begins with http"):
        Transport(url, "", http, 600, slept.append).get("/api/x")
    assert not slept


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(503),
        httpx.Response(502),
        httpx.Response(429),
        httpx.ConnectError("no"),
        httpx.ReadTimeout("late"),
    ],
)
def test_what_may_pass_is_tried_again_with_the_same_bytes(failure: httpx.Response | Exception) -> None:
    server = Scripted(failure, failure, httpx.Response(200, json={"a": 1}))
    assert server.transport().post("/api/x", b"the bytes").json() == {"a": 1}
    assert [request.content for request in server.asked] == [b"the bytes"] * 3
    assert len(server.slept) == 2


def test_the_server_says_how_long_to_wait() -> None:
    server = Scripted(httpx.Response(503, headers={"Retry-After": "30"}), httpx.Response(200, json={}))
    server.transport().get("/api/x")
    assert server.slept == [30]


def test_patience_ends() -> None:
    server = Scripted(*[httpx.Response(503, json={"error": "come back later"})] * 5)
    with pytest.raises(Unavailable, match="503: come back later"):
        server.transport(patience=0).get("/api/x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (401, Unauthenticated),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (418, QuintetError),
    ],
)
@pytest.mark.parametrize("field", ["error", "detail", "message"])
def test_a_refusal_is_told_in_the_servers_words_and_not_tried_again(
    status: int, kind: type[QuintetError], field: str
) -> None:
    server = Scripted(httpx.Response(status, json={field: "its reason"}))
    with pytest.raises(kind, match="its reason"):
        server.transport().post("/api/x", b"{}")
    assert len(server.asked) == 1


def test_a_refusal_without_words() -> None:
    with pytest.raises(NotFound, match="404 Not Found"):
        Scripted(httpx.Response(404, text="<html>")).transport().get("/api/x")


def test_large_bodies_are_uploaded_and_named() -> None:
    place = {
        "upload_key": "uploads/a/1",
        "url": "https://bucket/1?signed",
        "headers": {"Content-Type": "application/json"},
    }
    server = Scripted(httpx.Response(201, json=place), httpx.Response(200), httpx.Response(200, json={"done": True}))
    body = b"x" * (UPLOADED + 1)
    assert server.transport().post("/api/x", body).json() == {"done": True}
    announced, put, named = server.asked
    assert json.loads(announced.content) == {"size": len(body), "content_type": "application/json"}
    assert (put.method, str(put.url), put.content) == ("PUT", "https://bucket/1?signed", body)
    assert "X-API-Key" not in put.headers
    assert (named.headers["X-Upload-Key"], named.content) == ("uploads/a/1", b"")


def test_an_upload_that_is_cut_off_begins_anew() -> None:
    def place(key: str) -> httpx.Response:
        return httpx.Response(201, json={"upload_key": key, "url": f"https://bucket/{key}", "headers": {}})

    server = Scripted(
        place("one"), httpx.WriteError("cut off"), place("two"), httpx.Response(200), httpx.Response(200, json={})
    )
    server.transport().post("/api/x", b"x" * (UPLOADED + 1))
    assert server.asked[-1].headers["X-Upload-Key"] == "two"


def test_a_large_answer_is_fetched_where_it_waits_without_the_key() -> None:
    server = Scripted(
        httpx.Response(303, headers={"Location": "https://bucket/answer"}), httpx.Response(200, json={"large": True})
    )
    assert server.transport().get("/api/x").json() == {"large": True}
    assert "X-API-Key" not in server.asked[1].headers


def test_other_redirections_are_not_followed() -> None:
    server = Scripted(httpx.Response(302, headers={"Location": "https://elsewhere/"}))
    with pytest.raises(QuintetError):
        server.transport().get("/api/x")
    assert len(server.asked) == 1
