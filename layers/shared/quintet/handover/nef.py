"""A client of the emulators of a network exposure function (NEF): the original one, and the fork that models radio.

They differ in what they know of a UE. The original says where it is and which cell serves it; the fork also says how
each cell is heard (`ml/state`). Both redirect `/paths/` to `/paths`, answer 400 to wrong credentials, and `{}` where
nobody moves. The movement's path is `ue_movement`; some versions had `ue-movement`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode, urljoin, urlsplit

from quintet.handover.errors import NEFConnectionError
from quintet.handover.messages import Body
from quintet.kernel.breaker import Breaker
from quintet.kernel.calls import Answer, Calls
from quintet.kernel.errors import Unavailable

API = "/api/v1"
MOVEMENT = ("ue_movement/state-ues", "ue-movement/state-ues")
FEATURES = ("ml/state", "ml/ml/state")
"""The second path is one that some versions of the fork had by mistake."""

REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTIONS = 3
LOGGED_OUT = frozenset({401, 403})
NO_ROUTE = "Not Found"
"""FastAPI's detail where a path does not exist; where only the UE does not, the detail is another."""

State = Mapping[str, Any]


class NefStatus(Body):
    status: Literal["connected"] = "connected"
    nef_version: str = "unknown"


class WrongNefCredentials(NEFConnectionError):
    """The emulator is there and refuses the username or password: another try would change nothing."""

    retry = False


@dataclass
class NefClient:
    """`url` is the emulator's address; a call waits `seconds`. All methods raise NEFConnectionError.

    A token that has expired is renewed once a call, where `login` was called before.
    """

    calls: Calls
    url: str
    breaker: Breaker
    seconds: float = 10.0
    _token: str = field(default="", repr=False)
    _login: tuple[str, str] | None = field(default=None, repr=False)
    _movement: str | None = None
    _features: Sequence[str] = FEATURES

    def status(self) -> NefStatus:
        """An answer shows that it is there, also one that asks for a login."""
        answer = self._send("GET", "paths/", headers=self._bearer())
        if answer.status == 404:
            raise NEFConnectionError(f"NEF_API_URL answers, but has no {API}/paths: it is no NEF emulator")
        return NefStatus(nef_version=answer.headers.get("x-api-version", "unknown"))

    def login(self, username: str, password: str) -> None:
        """Raises WrongNefCredentials."""
        self._login = (username, password)
        form = urlencode({"username": username, "password": password}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._send("POST", "login/access-token", form, headers)
        if answer.status in {400, 401, 403}:
            raise WrongNefCredentials(
                "the NEF emulator refuses the username or password: give those of one of its users, as `username` and"
                " `password` or by NEF_USERNAME and NEF_PASSWORD"
            )
        token = _object(answer, "login/access-token").get("access_token")
        if not isinstance(token, str) or not token:
            raise NEFConnectionError("the NEF emulator answers a login without a token")
        self._token = token

    def moving(self) -> dict[str, State]:
        """The UEs that move now, by their SUPIs; none where no loop runs."""
        for path in (self._movement,) if self._movement else MOVEMENT:
            answer = self._get(path)
            if answer.status != 404:
                self._movement = path
                return _states(_object(answer, path))
        raise NEFConnectionError("NEF_API_URL answers, but has no ue_movement/state-ues: it is no NEF emulator")

    def state(self, ue: str) -> State | None:
        """What the fork knows of a UE's radio; None where the UE is gone, or the emulator models no radio."""
        for path in self._features:
            answer = self._get(f"{path}/{quote(ue, safe='')}")
            if answer.status != 404:
                self._features = (path,)
                return _object(answer, path)
            if _detail(answer) != NO_ROUTE:
                self._features = (path,)
                return None
        self._features = ()
        return None

    @property
    def models_radio(self) -> bool:
        """False once it is known that the emulator says nothing of radio."""
        return bool(self._features)

    def cells(self) -> list[State]:
        """The emulator's cells: `cell_id`, `latitude` and `longitude` (degrees), `radius` (m)."""
        answer = self._get("Cells")
        listed = _json(answer, "Cells")
        if answer.status != 200 or not isinstance(listed, list):
            raise NEFConnectionError("the NEF emulator does not list its cells", status=answer.status)
        return [cell for cell in listed if isinstance(cell, dict)]

    def _get(self, path: str) -> Answer:
        answer = self._send("GET", path, headers=self._bearer())
        if answer.status in LOGGED_OUT and self._login:
            self.login(*self._login)
            answer = self._send("GET", path, headers=self._bearer())
        if answer.status in LOGGED_OUT:
            raise WrongNefCredentials("the NEF emulator asks for a login: give it a username and a password")
        return answer

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        try:
            return self.breaker.call(lambda: self._follow(method, f"{API}/{path}", body, headers or {}))
        except Unavailable as error:
            raise NEFConnectionError(
                f"the NEF emulator at {_without_login(self.url)} can't be reached: {error.message}", **error.details
            ) from error

    def _follow(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises Unavailable, also for an answer that says so (5xx)."""
        url = self.url.rstrip("/") + target
        for _ in range(MOST_REDIRECTIONS + 1):
            answer = self._call(method, url, body, headers)
            if answer.status >= 500:
                raise Unavailable(f"it answers {answer.status}")
            if answer.status not in REDIRECTIONS:
                return answer
            url = self._redirected(url, answer.headers.get("location", ""))
        raise Unavailable("it redirects again and again")

    def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        seconds = min(self.seconds, self.breaker.rule.call_seconds)
        if method == "GET":
            return self.calls.get(url, headers=headers, seconds=seconds)
        return self.calls.post(url, body, headers=headers, seconds=seconds)

    def _redirected(self, url: str, location: str) -> str:
        """To where the same host sends us. Scheme and port stay: a proxy's emulator does not know its own.

        Raises Unavailable for another host: our token is not for it.
        """
        ours, theirs = urlsplit(self.url), urlsplit(urljoin(url, location))
        if not location or theirs.hostname != ours.hostname:
            raise Unavailable("it redirects to another host")
        return theirs._replace(scheme=ours.scheme, netloc=ours.netloc, fragment="").geturl()


def _without_login(url: str) -> str:
    """What of it may be told.

    >>> _without_login("http://ada:secret@nef:8080")
    'http://nef:8080'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _json(answer: Answer, path: str) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise NEFConnectionError(
            f"the NEF emulator's answer to {path} is no JSON", status=answer.status, reason=str(error)
        ) from error


def _object(answer: Answer, path: str) -> dict[str, Any]:
    content = _json(answer, path)
    if answer.status != 200 or not isinstance(content, dict):
        raise NEFConnectionError(f"the NEF emulator answers {path} with {answer.status}", status=answer.status)
    return content


def _states(content: Mapping[str, Any]) -> dict[str, State]:
    return {ue: state for ue, state in content.items() if isinstance(state, dict)}


def _detail(answer: Answer) -> object:
    try:
        content = json.loads(answer.body)
    except ValueError:
        return None
    return content.get("detail") if isinstance(content, dict) else None
