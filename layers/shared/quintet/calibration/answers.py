"""What HTTP answers of sessions."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from quintet.calibration.messages import Session, State, Via


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class SessionLine(Answer):
    """A session in a list."""

    session_id: str
    client_id: str
    state: State = Field(
        description="`OPEN`; `COMPLETED`: all batches were joined; `TIMED_OUT`: the client fell silent; `FAILED`."
    )
    reason: str = Field(description="Why it failed, or what was missing when it timed out.")
    registered_at: datetime
    ended_at: datetime | None = None
    via: Via = Field(description="How the client was registered.")
    summary: dict[str, Any] | None = Field(None, description="The metrics at the end; null where there are none.")


class SessionState(SessionLine):
    """A session, and how it is doing just now."""

    inputs_queue: str
    outputs_queue: str
    inputs_format: str
    outputs_format: str
    model_type: str
    live: dict[str, Any] | None = Field(
        None, description="How far an open session is, as its worker said a few seconds ago; null before it says so."
    )
    pending: list[str] = Field(description="What is still to be done after the end: `report`, `tracking`, `callback`.")
    links: dict[str, str] = Field(description="What there is of it, relative to this address.")


class Sessions(Answer):
    sessions: list[SessionLine]


class Health(Answer):
    status: str = Field(description="`healthy`; `degraded`: sessions can't be told of, or no worker serves them.")
    timestamp: datetime
    workers: int | None = Field(description="Workers heard of in the last minute; null where that can't be found out.")
    active_clients: int | None = Field(description="Clients that those serve.")
    version: str


def line(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        **session.model_dump(
            include={"client_id", "state", "reason", "registered_at", "ended_at", "via", "summary"},
        ),
    }


def session_line(session: Session) -> SessionLine:
    return SessionLine.model_validate(line(session))


def session_state(session: Session, live: dict[str, Any] | None) -> SessionState:
    queues = session.model_dump(
        include={"inputs_queue", "outputs_queue", "inputs_format", "outputs_format", "model_type"}
    )
    ready = session.ended and "report" not in session.tasks
    names = ("result", "report", "reliability") if ready else ()
    links = {name: f"{session.id}/{name}" for name in names}
    return SessionState(**line(session), **queues, live=live, pending=list(session.tasks), links=links)
