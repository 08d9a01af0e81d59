"""The room's routes: sessions and their outcomes, to their owner alone."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.calibration import kept
from quintet.calibration.access import Access
from quintet.calibration.ledger import Ledger
from quintet.calibration.messages import Registration, Session, State
from quintet.calibration.wiring import CalibrationRoom, calibration
from quintet.entry.caller import ApiKeyGate
from quintet.entry.http import as_lambda
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import fingerprint
from tests.clouds import ROOT
from tests.house.templates import Template

BACKEND, ANA, BEA, BOSS = "key of the backend", "key of ana", "key of bea", "key of the boss"
ANA_ID, BEA_ID, BACKEND_ID = (f"key-{fingerprint(key)}" for key in (ANA, BEA, BACKEND))
HTML_TEXT, PDF_BYTES, PNG_BYTES, SVG_TEXT = "<h1>Informe</h1>", b"%PDF-1.7\xff\xfe", b"\x89PNG\xff", "<svg/>"
SUMMARY = {"rows": 640, "ece": 0.0125, "alpha": None}
RESULT = b'{"accuracy":0.91,"classes":10}'


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[CalibrationRoom]:
    for name, value in {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "calibration", "QUINTET_BUCKET": "bucket"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ENABLE_API_KEYS", raising=False)
    calibration.cache_clear()
    room = calibration()
    room.clock = SteppedClock()
    room.objects = MemoryObjects()
    room.ledger = Ledger(MemoryRows(room.clock), room.clock)
    yield room
    calibration.cache_clear()


@pytest.fixture
def closed(room: CalibrationRoom) -> CalibrationRoom:
    """It asks for keys."""
    room.gate = ApiKeyGate(keys_text=lambda: f"{BACKEND}\n{ANA}\n{BEA}\nadmin {BOSS}\n", required=True)
    room.access = Access(BACKEND_ID)
    return room


@pytest.fixture
def client(room: CalibrationRoom) -> Iterator[TestClient]:
    from quintet.calibration.http import app

    with TestClient(app, follow_redirects=False) as client:
        yield client


def entered(room: CalibrationRoom, client_id: str = "ana", session_id: str = "") -> Session:
    asked = Registration(
        client_id=client_id, session_id=session_id, inputs_queue="in", outputs_queue="out", email="a@b.c", via="grpc"
    )
    return room.ledger.enter(asked, worker="w1", first=0)


def ended(
    room: CalibrationRoom, session: Session, state: State = "COMPLETED", reason: str = "", *tasks: str
) -> Session:
    return room.ledger.finish(session, state, reason, SUMMARY, tasks, room.clock.now())


def written(room: CalibrationRoom, session: Session) -> None:
    files = {
        kept.RESULT: RESULT,
        kept.REPORT_HTML: HTML_TEXT.encode(),
        kept.REPORT_PDF: PDF_BYTES,
        kept.DIAGRAM_SVG: SVG_TEXT.encode(),
        kept.DIAGRAM_PNG: PNG_BYTES,
    }
    for name, content in files.items():
        room.objects.put(kept.kept_as(session, name), content)


@pytest.fixture
def session(room: CalibrationRoom) -> Session:
    """Ended, with all that is written of it."""
    session = ended(room, entered(room))
    written(room, session)
    return session


def key(name: str) -> dict[str, str]:
    return {"X-API-Key": name}


class TestSessions:
    def test_an_open_session_says_how_far_it_is(self, room: CalibrationRoom, client: TestClient) -> None:
        session = entered(room, session_id="s-1")
        status = {"s-1": {"joined": 3, "trouble": ""}, "s-2": {"joined": 9}}
        room.objects.put(kept.live_status_of("w1"), json.dumps(status).encode())
        told = client.get("/sessions/s-1").json()
        assert told == {
            "session_id": "s-1",
            "client_id": "ana",
            "state": "OPEN",
            "reason": "",
            "registered_at": "2026-01-01T00:00:00Z",
            "ended_at": None,
            "via": "grpc",
            "summary": None,
            "inputs_queue": "in",
            "outputs_queue": "out",
            "inputs_format": "",
            "outputs_format": "",
            "model_type": "",
            "live": {"joined": 3, "trouble": ""},
            "pending": [],
            "links": {},
        }
        assert session.email not in json.dumps(told)

    @pytest.mark.parametrize("status", [None, b"{}", b'{"s-1": null}'])
    def test_before_its_worker_says_so_nothing_is_known(
        self, room: CalibrationRoom, client: TestClient, status: bytes | None
    ) -> None:
        entered(room, session_id="s-1")
        if status is not None:
            room.objects.put(kept.live_status_of("w1"), status)
        assert client.get("/sessions/s-1").json()["live"] is None

    def test_one_that_has_ended_says_how(self, room: CalibrationRoom, client: TestClient) -> None:
        session = ended(room, entered(room), "TIMED_OUT", "batches 3 and 5 of the inputs never came", "tracking")
        told = client.get(f"/sessions/{session.id}").json()
        assert (told["state"], told["reason"]) == ("TIMED_OUT", "batches 3 and 5 of the inputs never came")
        assert (told["summary"], told["pending"], told["live"]) == (SUMMARY, ["tracking"], None)

    def test_its_links_lead_to_its_outcome(self, client: TestClient, session: Session) -> None:
        links = client.get(f"/sessions/{session.id}").json()["links"]
        assert set(links) == {"result", "report", "reliability"}
        for link in links.values():
            assert client.get(f"/sessions/{link}").status_code == 200

    def test_a_clients_sessions_are_listed_newest_first(self, closed: CalibrationRoom, client: TestClient) -> None:
        ids = []
        for _ in range(3):
            ids.append(ended(closed, entered(closed, ANA_ID)).id)
            closed.clock.advance(1)  # type: ignore[attr-defined]
        entered(closed, BEA_ID)
        told = client.get("/sessions?limit=2", headers=key(ANA)).json()["sessions"]
        assert [one["session_id"] for one in told] == [ids[2], ids[1]]
        assert told[0]["summary"] == SUMMARY

    @pytest.mark.parametrize("name", [BACKEND, BOSS])
    def test_the_backend_names_a_client_or_sees_what_is_in_hand(
        self, closed: CalibrationRoom, client: TestClient, name: str
    ) -> None:
        closed.ledger.announce("w1")
        ended(closed, entered(closed, "ana"))
        still = ended(closed, entered(closed, "ana"), "FAILED", "x", "report")
        closed.clock.advance(1)  # type: ignore[attr-defined]
        other = entered(closed, "bea")
        listed = client.get("/sessions", headers=key(name)).json()["sessions"]
        assert [one["session_id"] for one in listed] == [other.id, still.id]
        assert len(client.get("/sessions?client_id=ana", headers=key(name)).json()["sessions"]) == 2

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "client_id="])
    def test_what_is_no_query_is_refused(self, client: TestClient, query: str) -> None:
        assert client.get(f"/sessions?{query}").status_code == 422


class TestOwners:
    @pytest.mark.parametrize("path", ["", "/result", "/report", "/report?format=pdf", "/reliability"])
    def test_of_others_nothing_is_there(self, closed: CalibrationRoom, client: TestClient, path: str) -> None:
        session = ended(closed, entered(closed, ANA_ID))
        written(closed, session)
        whose = {
            who: client.get(f"/sessions/{session.id}{path}", headers=key(who)) for who in (ANA, BEA, BACKEND, BOSS)
        }
        assert {who: answer.status_code for who, answer in whose.items()} == {
            ANA: 200,
            BEA: 404,
            BACKEND: 200,
            BOSS: 200,
        }
        none = client.get(f"/sessions/none{path}", headers=key(BEA))
        assert whose[BEA].json() == {"detail": none.json()["detail"].replace("none", session.id)}

    @pytest.mark.parametrize(("name", "status"), [("", 401), ("wrong", 403)])
    def test_strangers_see_nothing(self, closed: CalibrationRoom, client: TestClient, name: str, status: int) -> None:
        session = entered(closed, ANA_ID)
        for path in ("", f"/{session.id}", f"/{session.id}/report"):
            assert client.get(f"/sessions{path}", headers=key(name)).status_code == status

    def test_a_client_lists_itself_alone(self, closed: CalibrationRoom, client: TestClient) -> None:
        assert client.get(f"/sessions?client_id={ANA_ID}", headers=key(BEA)).status_code == 403
        assert client.get(f"/sessions?client_id={ANA_ID}", headers=key(ANA)).status_code == 200

    @pytest.mark.parametrize("session_id", ["..%2F..%2Fx", "%00", "a%20b", "ü", "x" * 500])
    def test_a_name_that_no_session_has_is_a_404(self, client: TestClient, session_id: str) -> None:
        assert client.get(f"/sessions/{session_id}").status_code == 404


class TestOutcomes:
    def test_the_result_is_the_workers_own_json(self, client: TestClient, session: Session) -> None:
        answer = client.get(f"/sessions/{session.id}/result")
        assert (answer.content, answer.headers["content-type"]) == (RESULT, "application/json")

    @pytest.mark.parametrize(
        ("query", "accept", "form", "content"),
        [
            ("", "*/*", "text/html; charset=utf-8", HTML_TEXT.encode()),
            ("", "text/html,application/pdf;q=0.9", "text/html; charset=utf-8", HTML_TEXT.encode()),
            ("?format=html", "application/pdf", "text/html; charset=utf-8", HTML_TEXT.encode()),
            ("", "application/pdf", "application/pdf", PDF_BYTES),
            ("", "Application/PDF;q=1, */*", "application/pdf", PDF_BYTES),
            ("?format=pdf", "*/*", "application/pdf", PDF_BYTES),
        ],
    )
    def test_the_report_is_html_or_pdf(
        self, client: TestClient, session: Session, query: str, accept: str, form: str, content: bytes
    ) -> None:
        answer = client.get(f"/sessions/{session.id}/report{query}", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, form, content)

    @pytest.mark.parametrize(
        ("accept", "form", "content"),
        [("*/*", "image/svg+xml", SVG_TEXT.encode()), ("image/png,*/*", "image/png", PNG_BYTES)],
    )
    def test_the_diagram_is_svg_or_png(
        self, client: TestClient, session: Session, accept: str, form: str, content: bytes
    ) -> None:
        answer = client.get(f"/sessions/{session.id}/reliability", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, form, content)

    @pytest.mark.parametrize("path", ["report", "reliability"])
    def test_nothing_in_a_page_may_run_or_call_anybody(self, client: TestClient, session: Session, path: str) -> None:
        headers = client.get(f"/sessions/{session.id}/{path}").headers
        policy = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert "script-src" not in policy
        assert policy["img-src"] == "data:"
        assert policy["sandbox"] == ""
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert headers["referrer-policy"] == "no-referrer"

    @pytest.mark.parametrize("path", ["result", "report", "report?format=pdf", "reliability"])
    def test_no_form_is_guessed_and_nothing_kept_on_the_way(
        self, client: TestClient, session: Session, path: str
    ) -> None:
        headers = client.get(f"/sessions/{session.id}/{path}").headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "private, no-store")

    @pytest.mark.parametrize("path", ["result", "report", "report?format=pdf", "reliability"])
    def test_before_it_is_written_it_is_said_when_it_will_be(
        self, room: CalibrationRoom, client: TestClient, path: str
    ) -> None:
        session = entered(room)
        answer = client.get(f"/sessions/{session.id}/{path}")
        assert answer.status_code == 409
        assert "is open: this is there once it has ended" in answer.json()["detail"]
        ended(room, session, "COMPLETED", "", "report", "tracking")
        answer = client.get(f"/sessions/{session.id}/{path}")
        assert answer.status_code == 409
        assert "is being written" in answer.json()["detail"]

    @pytest.mark.parametrize("path", ["result", "report", "report?format=pdf", "reliability"])
    def test_what_was_never_written_says_why(self, room: CalibrationRoom, client: TestClient, path: str) -> None:
        session = ended(room, entered(room), "FAILED", "queue ana_q does not exist")
        answer = client.get(f"/sessions/{session.id}/{path}")
        assert answer.status_code == 404
        assert "FAILED without it: queue ana_q does not exist" in answer.json()["detail"]


class TestOnLambda:
    @pytest.fixture
    def call(self, room: CalibrationRoom, monkeypatch: pytest.MonkeyPatch) -> Any:
        from quintet.calibration.http import app

        handler = as_lambda(app)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "calibration-api")

        def call(path: str, query: dict[str, str] | None = None, **headers: str) -> Any:
            event = {
                "resource": "/{proxy+}",
                "path": path,
                "httpMethod": "GET",
                "headers": headers,
                "multiValueHeaders": {name: [value] for name, value in headers.items()},
                "queryStringParameters": query,
                "requestContext": {"stage": "prod", "path": f"/prod{path}", "identity": {"sourceIp": "127.0.0.1"}},
                "body": None,
                "isBase64Encoded": False,
            }
            return handler(event, None)

        return call

    def test_bytes_are_binary_to_api_gateway_and_text_is_not(self, call: Any, session: Session) -> None:
        pdf = call(f"/sessions/{session.id}/report", Accept="application/pdf")
        assert (pdf["isBase64Encoded"], base64.b64decode(pdf["body"])) == (True, PDF_BYTES)
        png = call(f"/sessions/{session.id}/reliability", Accept="image/png")
        assert (png["isBase64Encoded"], base64.b64decode(png["body"])) == (True, PNG_BYTES)
        html = call(f"/sessions/{session.id}/report", Accept="text/html")
        assert (html["isBase64Encoded"], html["body"]) == (False, HTML_TEXT)
        assert call(f"/sessions/{session.id}/reliability")["isBase64Encoded"] is False

    def test_what_lambda_could_not_answer_is_fetched_elsewhere(
        self, call: Any, room: CalibrationRoom, session: Session
    ) -> None:
        room.objects.put(kept.kept_as(session, kept.RESULT), b" " * (4 * 1024 * 1024 + 1))
        answer = call(f"/sessions/{session.id}/result")
        assert answer["statusCode"] == 303
        assert answer["headers"]["location"].startswith(f"memory:///{kept.kept_as(session, kept.RESULT)}?method=GET")

    def test_api_gateway_lets_bytes_through_whatever_is_accepted(self) -> None:
        """A browser that follows a link to a PDF asks for HTML first."""
        (api,) = Template.read(ROOT / "infra/calibration.yaml").resources("AWS::Serverless::Api").values()
        assert api["BinaryMediaTypes"] == ["*~1*"]


class TestHealth:
    def test_it_counts_workers_heard_of_lately_and_their_clients(
        self, closed: CalibrationRoom, client: TestClient
    ) -> None:
        closed.ledger.announce("w0", clients=99)
        closed.clock.advance(timedelta(minutes=2).total_seconds())  # type: ignore[attr-defined]
        closed.ledger.announce("w1", clients=3)
        closed.ledger.announce("w2", clients=4)
        told = client.get("/health").json()
        assert (told["status"], told["workers"], told["active_clients"]) == ("healthy", 2, 7)

    def test_without_workers_it_is_degraded(self, client: TestClient) -> None:
        told = client.get("/health").json()
        assert (told["status"], told["workers"], told["active_clients"]) == ("degraded", 0, 0)

    def test_without_its_table_too(
        self, room: CalibrationRoom, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object, **__: object) -> None:
            raise Unavailable("the state table is away")

        monkeypatch.setattr(MemoryRows, "list", away)
        told = client.get("/health").json()
        assert (told["status"], told["workers"], told["active_clients"]) == ("degraded", None, None)


def test_the_api_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    report = document["paths"]["/sessions/{session_id}/report"]["get"]["responses"]
    assert {"text/html", "application/pdf"} <= set(report["200"]["content"])
    assert {"303", "401", "404", "409"} <= set(report)
    assert "SessionState" in document["components"]["schemas"]
