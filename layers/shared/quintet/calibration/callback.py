"""Telling the connections service how a session ended that it notified us of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import quote

from quintet.calibration.messages import Session, State
from quintet.kernel.errors import Unavailable

Outcome = Literal["told", "known", "unknown", "refused"]

WORDS: dict[State, str] = {"COMPLETED": "completed", "TIMED_OUT": "timeout", "FAILED": "timeout"}
"""The service knows no failure. After a timeout the client may begin anew; `completed` would end its authorisation."""

LATER = {408, 425, 429}


class StatusCalls(Protocol):
    def put(self, url: str, content: Mapping[str, str]) -> int:
        """The answer's status. Raises Unavailable where there is none."""
        ...


@dataclass(frozen=True)
class Told:
    """`known`: the session was not in progress there any more, as after an answer of ours that got lost."""

    outcome: Outcome
    status: int
    url: str


def tell_ending(calls: StatusCalls, service: str, session: Session) -> Told:
    """`service` is its address. Raises Unavailable: to be told again later."""
    url = f"{service.rstrip('/')}/sessions/{quote(session.id, safe='')}/status/{WORDS[session.state]}"
    status = calls.put(url, {"user_id": session.client_id})
    if status >= 500 or status in LATER:
        raise Unavailable("the connections service could not be told how a session ended", url=url, status=status)
    return Told(_outcome(status), status, url)


def _outcome(status: int) -> Outcome:
    known: dict[int, Outcome] = {404: "unknown", 409: "known"}
    return "told" if 200 <= status < 300 else known.get(status, "refused")
