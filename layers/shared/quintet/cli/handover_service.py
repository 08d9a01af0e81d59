"""The handover room as its command line sees it: log in, ask, wait where it says so, follow what becomes a job."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from quintet.kernel.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    QuintetError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

UPLOADED = 4 * 1024 * 1024
"""Bodies of more bytes are uploaded first and named then."""

LIMITED = 429
REFUSALS: dict[int, type[QuintetError]] = {
    400: InvalidInput, 401: Unauthenticated, 403: PermissionDenied, 404: NotFound, 409: Conflict, 413: TooLarge,
    422: InvalidInput, 429: Overloaded,
}  # fmt: skip
POLL_SECONDS = 1.0
WAITS = 100
"""So often in a row a limit is waited for."""

JSON = {"Content-Type": "application/json"}

Sleep = Callable[[float], object]
Told = Callable[[dict[str, Any]], None]


class Refused(QuintetError):
    """The service says no, and would again."""


def _told_to_nobody(_: dict[str, Any]) -> None: ...


@dataclass
class Service:
    """`http` has the service's address as its base; its owner closes it. All methods raise the house's errors."""

    http: httpx.Client
    username: str
    password: str = field(repr=False)
    sleep: Sleep
    limited: Callable[[float], None] = lambda _: None
    _token: str = field(default="", repr=False)

    def login(self) -> None:
        said = self._json("POST", "/api/login", {"username": self.username, "password": self.password})
        self._token = str(said["access_token"])

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._authorised("POST", "/api/predict", request)

    def train(self, samples: list[dict[str, Any]], told: Told = _told_to_nobody) -> dict[str, Any]:
        return self._followed(self._authorised("POST", "/api/train", samples), told)

    def train_uploaded(self, key: str, told: Told = _told_to_nobody) -> dict[str, Any]:
        """On what lies there already, as a collection's answer named it."""
        return self._followed(self._authorised("POST", "/api/train", headers={"X-Upload-Key": key}), told)

    def collect(self, request: dict[str, Any], told: Told = _told_to_nobody) -> dict[str, Any]:
        return self._followed(self._authorised("POST", "/api/collect-data", request), told)

    def _followed(self, answer: dict[str, Any], told: Told) -> dict[str, Any]:
        """The answer; or that of the job which stands in its place."""
        if "job_id" not in answer:
            return answer
        job = answer
        while job["status"] not in {"completed", "failed"}:
            told(job)
            self.sleep(POLL_SECONDS)
            job = self._authorised("GET", answer["url"])
        if job["status"] == "failed":
            raise Refused(str(job.get("error") or "the job failed"))
        return self._authorised("GET", job["result_url"])

    def _authorised(
        self, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        if not self._token:
            self.login()
        try:
            return self._json(method, path, content, headers)
        except Unauthenticated:
            self.login()
            return self._json(method, path, content, headers)

    def _json(
        self, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        response = self._patiently(method, path, body, headers or {})
        try:
            said = response.json()
        except ValueError:
            raise Unavailable(f"{self.http.base_url} does not answer as the service: {response.status_code}") from None
        if response.is_success:
            return dict(said)
        raise _refusal(response.status_code, said)

    def _patiently(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """A limit is waited for, as long as the service says."""
        for _ in range(WAITS):
            response = self._sent(method, path, body, headers)
            if response.status_code != LIMITED:
                return response
            seconds = _seconds(response.headers.get("Retry-After", ""))
            self.limited(seconds)
            self.sleep(seconds)
        return response

    def _sent(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        sent = {**headers, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        try:
            if len(body) > UPLOADED:
                sent, body = {**sent, **self._uploaded(body)}, b""
            typed = JSON if body else {}
            return self.http.request(
                method, path, content=body, headers={**sent, **typed}, follow_redirects=method == "GET"
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.http.base_url} does not answer: {error}") from error

    def _uploaded(self, body: bytes) -> dict[str, str]:
        """The header that names the body, once it lies where the service gave it a place."""
        place = self._json("POST", "/uploads", {"size": len(body), "content_type": JSON["Content-Type"]})
        stored = self.http.put(place["url"], content=body, headers=place["headers"])
        if not stored.is_success:
            raise Unavailable(f"the upload was refused with {stored.status_code}")
        return {"X-Upload-Key": str(place["upload_key"])}


def _refusal(status: int, said: Any) -> QuintetError:
    message = str(said.get("error") or said.get("detail") or said) if isinstance(said, dict) else str(said)
    if status in REFUSALS:
        return REFUSALS[status](message)
    return Unavailable(message) if status >= 502 else Refused(message)


def _seconds(text: str) -> float:
    """
    >>> _seconds("7"), _seconds("tomorrow")
    (7.0, 1.0)
    """
    return max(0.1, float(text)) if text.replace(".", "", 1).isdigit() else 1.0
