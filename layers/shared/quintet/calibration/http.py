"""The room's HTTP door: what became of a client's sessions, for that client alone. What it tells, the worker wrote."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request, Response
from starlette.responses import RedirectResponse

from quintet.calibration import kept
from quintet.calibration.answers import (
    Health,
    Sessions,
    SessionState,
    session_line,
    session_state,
)
from quintet.calibration.messages import Session
from quintet.calibration.registration import is_session_id
from quintet.calibration.wiring import CalibrationRoom, calibration
from quintet.entry.caller import Caller
from quintet.entry.forms import JSON, PNG, SVG
from quintet.entry.http import http_app, known_caller
from quintet.kernel.errors import Conflict, NotFound, PermissionDenied, QuintetError

VERSION = "0.1.0"
HTML, PDF = "text/html", "application/pdf"
HEARD_LATELY = timedelta(minutes=1)
LINK_SECONDS = 300
ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes. Lambda's own limit is 6 MB, of which base64 takes a quarter."""

NONE: Mapping[str, str] = {}

STRICT = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}
"""A report is read, not run: nothing in it may call anybody, whatever a client named itself."""

CAUTIOUS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}

app = http_app(
    "Calibration",
    room=calibration,
    version=VERSION,
    description="How far clients' models can be trusted: sessions, their results and reports.",
)

Responses = dict[int | str, dict[str, Any]]
NO_SESSION: Responses = {
    404: {"description": "This caller has no such session, or there is nothing of this kind of it."}
}
NOT_YET: Responses = {409: {"description": "The session is still open, or its report is being written."}}
ELSEWHERE: Responses = {303: {"description": "It is too large for this API, and to be had elsewhere for some minutes."}}
REPORT: Responses = {200: {"content": {HTML: {}, PDF: {}}}}
DIAGRAM: Responses = {200: {"content": {SVG: {}, PNG: {}}}}

TheCaller = Annotated[Caller, Depends(known_caller)]


def own_session(session_id: Annotated[str, Path(description="The session's id.")], caller: TheCaller) -> Session:
    room = calibration()
    session = room.ledger.find(session_id) if is_session_id(session_id) else None
    if session is None or not room.access.admits(caller.id, session.client_id, administrator=caller.administrator):
        raise NotFound(f"Session {session_id} not found")
    return session


OwnSession = Annotated[Session, Depends(own_session)]


@app.get("/health")
def tell_health() -> Health:
    """How the room is doing, and whether workers are there. Never needs a key."""
    room = calibration()
    beats = beats_lately(room)
    return Health(
        status="healthy" if beats else "degraded",
        timestamp=room.clock.now(),
        workers=None if beats is None else len(beats),
        active_clients=None if beats is None else sum(beats),
        version=VERSION,
    )


def beats_lately(room: CalibrationRoom) -> list[int] | None:
    """The clients of each worker that was heard of lately."""
    since = room.clock.now() - HEARD_LATELY
    try:
        return [beat.clients for beat in room.ledger.workers().values() if beat.heard_at >= since]
    except QuintetError:
        return None


@app.get("/sessions")
def list_sessions(
    caller: TheCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    client_id: Annotated[
        str | None, Query(min_length=1, max_length=200, description="For the backend: which client's.")
    ] = None,
) -> Sessions:
    """The caller's sessions, newest first. The backend names a client, or sees some that workers have in hand."""
    room = calibration()
    for_all = room.access.is_for_all(caller.id, administrator=caller.administrator)
    if client_id is None and for_all:
        return Sessions(sessions=[session_line(session) for session in in_hand(room, limit)])
    wanted = client_id or caller.id
    if not for_all and wanted != caller.id:
        raise PermissionDenied("these sessions are of another client")
    return Sessions(sessions=[session_line(session) for session in room.ledger.sessions_of(wanted, limit=limit)])


def in_hand(room: CalibrationRoom, limit: int) -> list[Session]:
    held = [session for worker in room.ledger.workers() for session in room.ledger.held_by(worker, limit=limit)]
    return sorted(held, key=lambda session: session.registered_at, reverse=True)[:limit]


@app.get("/sessions/{session_id}", responses=NO_SESSION)
def tell_session(session: OwnSession) -> SessionState:
    """A session: how far it is while it is open, how it ended and its metrics when it has."""
    return session_state(session, live_status(calibration(), session))


def live_status(room: CalibrationRoom, session: Session) -> dict[str, Any] | None:
    if session.ended:
        return None
    try:
        content, _ = room.objects.get(kept.live_status_of(session.worker))
    except NotFound:
        return None
    status = json.loads(content).get(session.id)
    return status if isinstance(status, dict) else None


@app.get("/sessions/{session_id}/result", response_model=dict[str, Any], responses=NO_SESSION | NOT_YET | ELSEWHERE)
def give_result(session: OwnSession) -> Response:
    """All metrics, the history of all batches and the reliability diagram's bins of a session that has ended."""
    return given(session, kept.RESULT, JSON)


@app.get("/sessions/{session_id}/report", response_class=Response, responses=REPORT | NO_SESSION | NOT_YET | ELSEWHERE)
def give_report(
    session: OwnSession,
    request: Request,
    form: Annotated[Literal["html", "pdf"] | None, Query(alias="format", description="Instead of Accept.")] = None,
) -> Response:
    """The report with its verdict. PDF where `Accept` begins with `application/pdf`, or with `format=pdf`."""
    if form == "pdf" or (form is None and likes_best(request) == PDF):
        named = {"Content-Disposition": f'inline; filename="calibration-{session.id}.pdf"'}
        return given(session, kept.REPORT_PDF, PDF, named)
    return given(session, kept.REPORT_HTML, HTML, STRICT)


@app.get(
    "/sessions/{session_id}/reliability", response_class=Response, responses=DIAGRAM | NO_SESSION | NOT_YET | ELSEWHERE
)
def give_diagram(session: OwnSession, request: Request) -> Response:
    """The reliability diagram. PNG where `Accept` begins with `image/png`, SVG else."""
    if likes_best(request) == PNG:
        return given(session, kept.DIAGRAM_PNG, PNG)
    return given(session, kept.DIAGRAM_SVG, SVG, STRICT)


def likes_best(request: Request) -> str:
    """What Accept names first."""
    return request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()


def given(session: Session, name: str, form: str, headers: Mapping[str, str] = NONE) -> Response:
    """A file of the session's outcome. Raises Conflict where it is not there yet, NotFound where it never will be."""
    check_written(session)
    room, key = calibration(), kept.kept_as(session, name)
    try:
        if room.place.function and room.objects.size(key) > ANSWER_LIMIT:
            return RedirectResponse(room.objects.download_url(key, seconds=LINK_SECONDS), 303, headers=CAUTIOUS)
        return Response(room.objects.get(key)[0], media_type=form, headers={**headers, **CAUTIOUS})
    except NotFound:
        why = session.reason or "nothing was judged"
        raise NotFound(f"Session {session.id} ended as {session.state} without it: {why}") from None


def check_written(session: Session) -> None:
    if not session.ended:
        raise Conflict(f"Session {session.id} is open: this is there once it has ended, see /sessions/{session.id}")
    if "report" in session.tasks:
        raise Conflict(f"Session {session.id} has ended and its report is being written: ask again in a few seconds")
