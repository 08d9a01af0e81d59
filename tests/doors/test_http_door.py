"""The HTTP door, with a small room behind it: who calls, what goes wrong, large bodies, long work."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, urljoin

import pytest
from fastapi import Depends, FastAPI, File, Response, UploadFile
from pydantic import BaseModel
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryObjects, MemoryQueue, MemoryRecords
from quintet.entry.caller import ApiKeyGate, Caller, Gate
from quintet.entry.deferral import Deferrals, DeferredRequest, perform
from quintet.entry.http import as_lambda, http_app, known_caller
from quintet.entry.uploads import Uploads
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Misconfigured, NotFound, PermissionDenied, Unauthenticated, Unavailable

KEY, OTHER_KEY = "the-key-of-ada", "the-key-of-bob"
ADA, BOB = {"X-API-Key": KEY}, {"X-API-Key": OTHER_KEY}
UPLOAD_LIMIT = 10_000


@dataclass
class Greeter:
    required: bool = True
    clock: SteppedClock = field(default_factory=SteppedClock)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    warmed: bool = False

    def __post_init__(self) -> None:
        self.records = MemoryRecords(self.clock)

    @property
    def gate(self) -> Gate:
        return ApiKeyGate(lambda: f"# friends\n{KEY}\n\n{OTHER_KEY}\n", self.required)

    @property
    def uploads(self) -> Uploads | None:
        return Uploads(self.objects, UPLOAD_LIMIT, self.clock)

    @property
    def deferrals(self) -> Deferrals | None:
        return Deferrals("greeter", self.records, self.objects, self.queue, self.clock)

    def warm(self) -> None:
        self.warmed = True


class Guest(BaseModel):
    name: str
    age: int


def greeter_app(room: Greeter) -> FastAPI:
    app = http_app("Greeter", room=lambda: room, version="1")

    @app.post("/greet")
    def greet(guest: Guest, caller: Annotated[Caller, Depends(known_caller)]) -> dict[str, str]:
        if guest.name == "nobody":
            raise NotFound("no such guest", where="the cellar")
        if guest.name == "crash":
            raise RuntimeError(f"the guest's secret is {4000 + 711}")
        if guest.name == "later":
            raise Unavailable("the house is being cleaned")
        return {"hello": guest.name, "from": caller.id}

    @app.post("/size")
    def size(file: Annotated[UploadFile, File()]) -> dict[str, int]:
        return {"size": len(file.file.read())}

    @app.get("/long")
    def long(letters: int) -> dict[str, str]:
        return {"text": "x" * letters}

    return app


@pytest.fixture
def room() -> Greeter:
    return Greeter()


@pytest.fixture
def client(room: Greeter) -> Iterator[TestClient]:
    with TestClient(greeter_app(room), raise_server_exceptions=True) as client:
        yield client


def greet(client: TestClient, name: str = "Eve", **headers: str) -> Any:
    return client.post("/greet", json={"name": name, "age": 7}, headers={**ADA, **headers})


def test_a_known_caller_is_answered(client: TestClient) -> None:
    answer = greet(client)
    assert answer.status_code == 200
    assert answer.json()["hello"] == "Eve"
    assert KEY not in answer.text


def test_two_keys_are_two_callers_and_neither_id_tells_the_key() -> None:
    gate = Greeter().gate
    ada, bob = gate.identify(KEY), gate.identify(OTHER_KEY)
    assert ada != bob
    assert ada == gate.identify(KEY)
    assert KEY not in ada.id


@pytest.mark.parametrize(
    ("key", "status", "said"),
    [(None, 401, "API key required"), ("", 401, "API key required"), ("x", 403, "Invalid API key")],
)
def test_others_are_not(client: TestClient, key: str | None, status: int, said: str) -> None:
    headers = {} if key is None else {"X-API-Key": key}
    answer = client.post("/greet", json={"name": "Eve", "age": 7}, headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"detail": said})


def test_an_open_door_takes_everybody_but_a_wrong_key() -> None:
    gate = Greeter(required=False).gate
    assert gate.identify(None).id == "anyone"
    with pytest.raises(PermissionDenied):
        gate.identify("x")


def test_a_comment_is_no_key() -> None:
    with pytest.raises(PermissionDenied):
        Greeter().gate.identify("# friends")


def test_keys_required_and_none_there_refuses_to_start() -> None:
    gate = ApiKeyGate(lambda: "# nobody yet\n", required=True)
    with pytest.raises(Misconfigured, match="one key a line"):
        gate.check()
    with pytest.raises(Unauthenticated):
        gate.identify(None)


def test_an_error_of_the_house_shows_its_public_face_only(client: TestClient) -> None:
    answer = greet(client, "nobody")
    assert (answer.status_code, answer.json()) == (404, {"detail": "no such guest"})
    assert "cellar" not in answer.text


@pytest.mark.parametrize(
    ("name", "level", "reason", "details"),
    [
        ("nobody", "INFO", "no such guest", {"where": "the cellar"}),
        ("later", "ERROR", "the house is being cleaned", {}),
    ],
)
def test_the_log_knows_why(
    client: TestClient, caplog: pytest.LogCaptureFixture, name: str, level: str, reason: str, details: dict[str, str]
) -> None:
    greet(client, name)
    told = [record for record in caplog.records if getattr(record, "reason", None) == reason]
    assert [(record.levelname, vars(record)["details"]) for record in told] == [(level, details)]
    assert ("traceback" in vars(told[0])) == (level == "ERROR")


def test_the_log_knows_where_a_crash_was_and_not_what_it_said(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    greet(client, "crash")
    (crash,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(crash)["error"] == "RuntimeError"
    assert "test_http_door.py" in vars(crash)["traceback"]
    assert crash.exc_info is None
    assert "4711" not in str(vars(crash))


def test_an_error_that_may_pass_says_when_to_come_back(client: TestClient) -> None:
    answer = greet(client, "later")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_a_crash_tells_nothing_and_is_logged(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = greet(client, "crash", **{"X-Correlation-ID": "order-17"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal server error"})
    assert answer.headers["X-Correlation-ID"] == "order-17"


def test_a_wrong_body_is_named_and_not_repeated(client: TestClient) -> None:
    answer = client.post("/greet", json={"name": "Eve", "age": "4711 years"}, headers=ADA)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "age"]
    assert "4711" not in answer.text


def test_not_json_and_not_a_route(client: TestClient) -> None:
    assert client.post("/greet", content=b"{", headers={**ADA, "Content-Type": "application/json"}).status_code == 422
    assert client.get("/nowhere").json() == {"detail": "Not Found"}
    assert client.get("/greet").status_code == 405


def test_a_stranger_is_not_told_what_is_wrong_with_the_body(client: TestClient) -> None:
    for path in ("/greet", "/uploads"):
        answer = client.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "API key required"})
    assert client.post("/size", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize("path", ["/greet/", "/uploads/", "/jobs/1/", "/docs/"])
def test_a_trailing_slash_is_another_path_and_leads_nowhere(client: TestClient, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.request(method, path, headers={**ADA, "Host": "evil.example"}, follow_redirects=False)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE_PART = PART.replace(b"\r\n\r\n", b'; filename="a"\r\n\r\n')
BROKEN_FORMS = {
    "no boundary": (b"--b", ""),
    "empty boundary": (b"--b", "; boundary="),
    "no form": (b"name,age", "; boundary=b"),
    "a part without a name": (PART.replace(b'; name="a"', b"") + b"--b--\r\n", "; boundary=b"),
    "too many fields": (PART * 1001 + b"--b--\r\n", "; boundary=b"),
    "too many files": (FILE_PART * 1001 + b"--b--\r\n", "; boundary=b"),
    "a field too large": (PART.replace(b"1", b"1" * 2_000_000) + b"--b--\r\n", "; boundary=b"),
    "headers without end": (b"--b\r\n" + b"X: y\r\n" * 5000, "; boundary=b"),
}


@pytest.mark.parametrize(("body", "boundary"), BROKEN_FORMS.values(), ids=BROKEN_FORMS)
def test_a_broken_form_is_named(client: TestClient, body: bytes, boundary: str) -> None:
    answer = client.post("/size", content=body, headers={"Content-Type": f"multipart/form-data{boundary}"})
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) > 15


# --- what the document says


@pytest.fixture
def document(client: TestClient) -> Any:
    client.get("/openapi.json")
    return client.get("/openapi.json").json()


def test_the_document_names_the_key_where_it_is_needed(document: Any) -> None:
    scheme = document["components"]["securitySchemes"]["APIKeyHeader"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    operations = {path: next(iter(methods.values())) for path, methods in document["paths"].items()}
    needed = {path for path, operation in operations.items() if operation.get("security") == [{"APIKeyHeader": []}]}
    assert needed == {"/greet", "/uploads", "/jobs/{job_id}", "/jobs/{job_id}/result"}
    assert "security" not in operations["/long"]
    assert {} in operations["/size"]["security"]


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/greet", "200 202 303 400 401 403 404 413 422 500 503 504"),
        ("post", "/uploads", "201 202 303 400 401 403 404 413 422 500 503 504"),
        ("get", "/jobs/{job_id}", "200 401 403 404 422 500 503"),
        ("get", "/jobs/{job_id}/result", "200 303 401 403 404 409 422 500 503"),
        ("get", "/long", "200 422 500 503"),
    ],
)
def test_the_document_tells_every_answer(document: Any, method: str, path: str, statuses: str) -> None:
    answers = document["paths"][path][method]["responses"]
    assert sorted(answers) == statuses.split()
    assert "Retry-After" in answers["503"]["headers"]
    for status in sorted(set(answers) - {"422"}):
        if status >= "400":
            assert answers[status]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")


def test_the_document_tells_of_jobs_and_uploads_once(document: Any) -> None:
    greet = document["paths"]["/greet"]["post"]
    assert [parameter["name"] for parameter in greet["parameters"]] == ["Prefer", "X-Upload-Key"]
    assert greet["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/Job")
    assert {"Location", "Retry-After"} <= set(greet["responses"]["202"]["headers"])


def test_every_reference_of_the_document_leads_somewhere(document: Any) -> None:
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert document["openapi"].startswith("3.1")


def test_correlation_ids_are_kept_made_and_never_believed_blindly(client: TestClient) -> None:
    assert greet(client, **{"X-Correlation-ID": "a-1"}).headers["X-Correlation-ID"] == "a-1"
    made = greet(client).headers["X-Correlation-ID"]
    assert len(made) == 32
    assert greet(client, **{"X-Correlation-ID": 'x" onclick="y'}).headers["X-Correlation-ID"] != 'x" onclick="y'


# --- large bodies


def upload(client: TestClient, room: Greeter, content: bytes, content_type: str, **headers: str) -> str:
    announced = client.post(
        "/uploads", json={"size": len(content), "content_type": content_type}, headers=headers or ADA
    )
    assert announced.status_code == 201, announced.text
    key: str = announced.json()["upload_key"]
    room.objects.put(key, content, content_type=content_type)
    return key


def test_an_uploaded_json_body_is_the_body(client: TestClient, room: Greeter) -> None:
    key = upload(client, room, b'{"name": "Big Eve", "age": 8}', "application/json")
    answer = client.post("/greet", headers={**ADA, "X-Upload-Key": key})
    assert answer.json()["hello"] == "Big Eve"


def test_any_other_upload_is_the_file(client: TestClient, room: Greeter) -> None:
    content = bytes(range(256)) * 20 + b"\r\n--no boundary\r\n"
    key = upload(client, room, content, "text/csv")
    assert client.post("/size", headers={**ADA, "X-Upload-Key": key}).json() == {"size": len(content)}


def test_an_upload_is_its_callers_own(client: TestClient, room: Greeter) -> None:
    key = upload(client, room, b"{}", "application/json")
    assert client.post("/greet", headers={**BOB, "X-Upload-Key": key}).status_code == 403
    for stolen in ("results/abc", f"../{key}", "uploads/anyone/1"):
        assert client.post("/greet", headers={**ADA, "X-Upload-Key": stolen}).status_code == 403


def test_an_upload_that_never_came_is_not_found(client: TestClient) -> None:
    announced = client.post("/uploads", json={"size": 5}, headers=ADA).json()
    assert client.post("/size", headers={**ADA, "X-Upload-Key": announced["upload_key"]}).status_code == 404


def test_too_large_is_refused_before_and_after(client: TestClient, room: Greeter) -> None:
    assert client.post("/uploads", json={"size": UPLOAD_LIMIT + 1}, headers=ADA).status_code == 413
    key = upload(client, room, b"small", "text/csv")
    room.objects.put(key, b"x" * (UPLOAD_LIMIT + 1), content_type="text/csv")
    assert client.post("/size", headers={**ADA, "X-Upload-Key": key}).status_code == 413
    with pytest.raises(NotFound):
        room.objects.size(key)


@pytest.mark.parametrize(
    "body", [{}, {"size": 0}, {"size": -1}, {"size": 1, "content_type": "a\r\nb"}, {"size": 1, "key": "k"}]
)
def test_a_wrong_announcement_is_named(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/uploads", json=body, headers=ADA).status_code == 422


def test_an_upload_needs_a_caller(client: TestClient) -> None:
    assert client.post("/uploads", json={"size": 5}).status_code == 401


# --- long work


def defer(client: TestClient, name: str = "Eve", **headers: str) -> Any:
    return greet(client, name, Prefer="respond-async", **headers)


def work_off(room: Greeter, app: FastAPI) -> None:
    deferrals = room.deferrals
    assert deferrals
    for body, _ in room.queue.sent:
        perform(DeferredRequest.model_validate_json(body), deferrals, app)


def test_long_work_is_a_job_and_its_result_the_answer(client: TestClient, room: Greeter) -> None:
    taken = defer(client)
    assert (taken.status_code, taken.headers["Preference-Applied"]) == (202, "respond-async")
    job = taken.json()
    assert client.get(job["url"], headers=ADA).json()["status"] == "pending"
    assert client.get(f"{job['url']}/result", headers=ADA).status_code == 409
    work_off(room, greeter_app(room))
    done = client.get(job["url"], headers=ADA).json()
    assert (done["status"], done["response_status"]) == ("completed", 200)
    result = client.get(done["result_url"], headers=ADA)
    assert (result.status_code, result.json()) == (200, greet(client).json())


def test_a_refusal_is_an_answer_too(client: TestClient, room: Greeter) -> None:
    job = defer(client, "nobody").json()
    work_off(room, greeter_app(room))
    result = client.get(f"{job['url']}/result", headers=ADA)
    assert (result.status_code, result.json()) == (404, {"detail": "no such guest"})


def test_a_crash_is_an_answer_too_for_it_would_crash_again(client: TestClient, room: Greeter) -> None:
    job = defer(client, "crash").json()
    work_off(room, greeter_app(room))
    done = client.get(job["url"], headers=ADA).json()
    assert (done["status"], done["response_status"]) == ("completed", 500)
    result = client.get(done["result_url"], headers=ADA)
    assert (result.status_code, result.json()) == (500, {"detail": "Internal server error"})


def test_a_failure_is_tried_again_and_at_last_said(client: TestClient, room: Greeter) -> None:
    job = defer(client, "later").json()
    with pytest.raises(Unavailable):
        work_off(room, greeter_app(room))
    room.clock.advance(3601)
    assert client.get(job["url"], headers=ADA).json()["status"] == "failed"


def test_a_second_delivery_changes_nothing(client: TestClient, room: Greeter) -> None:
    job = defer(client).json()
    work_off(room, greeter_app(room))
    before = client.get(job["url"], headers=ADA).json()
    work_off(room, greeter_app(room))
    assert client.get(job["url"], headers=ADA).json() == before


def test_a_job_goes_by_the_correlation_id_of_its_request(client: TestClient, room: Greeter) -> None:
    taken = defer(client)
    body, attributes = room.queue.sent[0]
    correlation = taken.headers["X-Correlation-ID"]
    assert attributes is not None
    assert attributes["correlation_id"] == correlation
    assert DeferredRequest.model_validate_json(body).headers["x-correlation-id"] == correlation


def test_the_queue_never_sees_a_key(client: TestClient, room: Greeter) -> None:
    defer(client)
    assert KEY not in json.dumps([list(message) for message in room.queue.sent])


def test_the_queue_never_sees_a_body(client: TestClient, room: Greeter) -> None:
    defer(client, "a very private name")
    body, _ = room.queue.sent[0]
    assert "private" not in body
    assert not json.loads(body).get("body_base64")
    assert base64.b64encode(b"a very private name").decode()[:20] not in body


def test_a_body_is_kept_until_its_answer(client: TestClient, room: Greeter) -> None:
    defer(client)
    (kept,) = room.objects.keys()
    assert json.loads(room.objects.get(kept)[0])["name"] == "Eve"
    work_off(room, greeter_app(room))
    assert kept not in room.objects.keys()  # noqa: SIM118 -- no mapping
    room.objects.put(kept, b"left by a function that died")
    work_off(room, greeter_app(room))
    assert kept not in room.objects.keys()  # noqa: SIM118 -- no mapping


def test_a_body_waits_for_the_next_try(client: TestClient, room: Greeter) -> None:
    defer(client, "later")
    for _ in range(2):
        with pytest.raises(Unavailable):
            work_off(room, greeter_app(room))


def test_a_body_that_has_expired_is_said(client: TestClient, room: Greeter) -> None:
    defer(client)
    room.objects.delete(room.objects.keys()[0])
    with pytest.raises(NotFound):
        work_off(room, greeter_app(room))


def test_a_job_that_cannot_be_queued_leaves_no_body(client: TestClient, room: Greeter) -> None:
    room.queue.away = True
    assert defer(client).status_code == 503
    assert room.objects.keys() == []


def test_a_message_of_an_earlier_version_is_understood(client: TestClient, room: Greeter) -> None:
    job = defer(client).json()
    message = json.loads(room.queue.sent[0][0])
    body, _ = room.objects.get(room.objects.keys()[0])
    del message["body_kept"]
    room.queue.sent[0] = (json.dumps(message | {"body_base64": base64.b64encode(body).decode()}), {})
    work_off(room, greeter_app(room))
    assert client.get(f"{job['url']}/result", headers=ADA).json()["hello"] == "Eve"


def test_a_job_is_its_callers_own_and_ends(client: TestClient, room: Greeter) -> None:
    job = defer(client).json()
    assert client.get(job["url"], headers=BOB).status_code == 404
    assert client.get("/jobs/none", headers=ADA).status_code == 404
    assert client.get(job["url"]).status_code == 401
    room.clock.advance(24 * 3600 + 1)
    assert client.get(job["url"], headers=ADA).status_code == 404


def test_a_stranger_can_start_no_job(client: TestClient, room: Greeter) -> None:
    answer = client.post("/greet", json={}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 401
    assert not room.queue.sent


@pytest.mark.parametrize("path", ["/greet", "/a/b", "/a/b/"])
@pytest.mark.parametrize("stage", ["", "/prod"])
def test_the_way_to_a_job_leads_there_behind_a_stage_too(client: TestClient, path: str, stage: str) -> None:
    taken = client.post(path, headers={**ADA, "Prefer": "respond-async"})
    home = f"https://api.example{stage}"
    assert urljoin(f"{home}{path}", taken.headers["Location"]) == f"{home}{taken.json()['url']}"


@pytest.mark.parametrize("host", ["[x", "a/b?c", "evil.example/prod"])
def test_a_crafted_host_moves_no_job(client: TestClient, room: Greeter, host: str) -> None:
    taken = client.post(
        "/greet?a=1&b=%20", json={"name": "Eve", "age": 7}, headers={**ADA, "Host": host, "Prefer": "respond-async"}
    )
    assert taken.status_code == 202
    kept = DeferredRequest.model_validate_json(room.queue.sent[0][0])
    assert (kept.path, kept.query) == ("/greet", "a=1&b=%20")


@pytest.mark.parametrize("name", ["a?b", "a#b", "a\\b", "a b", "ä"])
def test_a_job_is_made_of_the_path_as_it_came(client: TestClient, room: Greeter, name: str) -> None:
    client.post(f"/{quote(name)}?q=%C3%A4", headers={**ADA, "Prefer": "respond-async"})
    kept = DeferredRequest.model_validate_json(room.queue.sent[0][0])
    assert (kept.path, kept.query) == (f"/{name}", "q=%C3%A4")


def test_uploads_and_jobs_go_together(client: TestClient, room: Greeter) -> None:
    key = upload(client, room, b'{"name": "Big Eve", "age": 8}', "application/json")
    job = client.post("/greet", headers={**ADA, "X-Upload-Key": key, "Prefer": "respond-async"}).json()
    work_off(room, greeter_app(room))
    assert client.get(f"{job['url']}/result", headers=ADA).json()["hello"] == "Big Eve"


# --- Lambda


def api_event(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> dict[str, Any]:
    headers = headers or {}
    path, _, query = path.partition("?")
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict([query.split("=")]) if query else None,
        "requestContext": {"stage": "local", "path": f"/local{path}", "identity": {"sourceIp": "127.0.0.1"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch, room: Greeter) -> Any:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "greeter-api")
    monkeypatch.setenv("CORS_ORIGINS", "https://app.example")
    return as_lambda(greeter_app(room))


def test_a_room_is_warm_before_its_first_request(on_lambda: Any, room: Greeter) -> None:
    assert room.warmed


def test_api_gateway_events_are_requests(on_lambda: Any) -> None:
    answer = on_lambda(
        api_event("POST", "/greet", {**ADA, "Content-Type": "application/json"}, b'{"name": "Eve", "age": 7}'), None
    )
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["hello"] == "Eve"


@pytest.mark.parametrize(("media_type", "binary"), [("image/svg+xml", False), ("image/png", True)])
def test_of_pictures_only_pixels_are_binary_to_api_gateway(
    monkeypatch: pytest.MonkeyPatch, room: Greeter, media_type: str, binary: bool
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "greeter-api")
    app = greeter_app(room)
    app.get("/portrait")(lambda: Response(b"<svg/>", media_type=media_type))
    assert as_lambda(app)(api_event("GET", "/portrait"), None)["isBase64Encoded"] is binary


def test_an_answer_too_large_for_lambda_is_stored_and_led_to(on_lambda: Any, room: Greeter) -> None:
    small, large = (on_lambda(api_event("GET", f"/long?letters={letters}"), None) for letters in (1000, 7_000_000))
    assert (small["statusCode"], large["statusCode"]) == (200, 303)
    assert len(json.dumps(large)) < 6_000_000
    stored = [key for key in room.objects.keys() if key.startswith("results/")]  # noqa: SIM118
    body, content_type = room.objects.get(stored[0])
    assert content_type == "application/json"
    assert len(json.loads(body)["text"]) == 7_000_000


def test_browsers_may_call_and_read_errors(on_lambda: Any) -> None:
    origin = {"Origin": "https://app.example"}
    preflight = on_lambda(api_event("OPTIONS", "/greet", {**origin, "Access-Control-Request-Method": "POST"}), None)
    assert preflight["headers"]["access-control-allow-origin"] == "https://app.example"
    refused = on_lambda(api_event("POST", "/greet", origin, b"{}"), None)
    assert refused["headers"]["access-control-allow-origin"] == "https://app.example"
    foreign = on_lambda(api_event("POST", "/greet", {"Origin": "https://evil.example"}, b"{}"), None)
    assert "access-control-allow-origin" not in foreign["headers"]


def test_a_request_is_logged_without_its_body(on_lambda: Any, capsys: pytest.CaptureFixture[str]) -> None:
    on_lambda(api_event("POST", "/greet", ADA, b'{"name": "Eve-4711", "age": 7}'), None)
    assert "4711" not in capsys.readouterr().out
