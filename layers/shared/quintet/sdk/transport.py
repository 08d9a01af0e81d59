"""HTTP to the room, with patience: whatever may pass is tried again with the same bytes.

All that owners send is idempotent: the same message twice counts once, another one in its place is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from quintet.kernel.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PermissionDenied,
    QuintetError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from quintet.sdk.waiting import Sleep

UPLOADED = 4 * 1024 * 1024
"""Bodies of more bytes are uploaded first and named then: Lambda takes 6 MB with what API Gateway adds."""

PASSING = {429, 500, 502, 503, 504}
LONGEST_WAIT = 60.0
REFUSALS: Mapping[int, type[QuintetError]] = MappingProxyType({
    400: InvalidInput, 401: Unauthenticated, 403: PermissionDenied, 404: NotFound, 409: Conflict, 413: TooLarge,
    422: InvalidInput,
})  # fmt: skip


class Away(Unavailable):
    """The server can't answer now; `after` is when to ask again, in seconds, where it said so."""

    def __init__(self, message: str, after: float = 0) -> None:
        super().__init__(message)
        self.after = after


@dataclass
class Transport:
    """`http` is closed with its owner, not here; `patience` seconds after its first failure a call is given up."""

    url: str
    api_key: str = field(repr=False)
    http: httpx.Client
    patience: float
    sleep: Sleep
    _backoff: ClassVar[wait_random_exponential] = wait_random_exponential(multiplier=0.5, max=10)
    _retrying: Retrying = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._retrying = Retrying(
            retry=retry_if_exception_type(Away),
            wait=self._wait,
            stop=stop_after_delay(self.patience),
            sleep=self.sleep,
            reraise=True,
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        return self._retrying(self._once, "GET", path, params=dict(query or {}), headers=self._headers())

    def post(self, path: str, body: bytes) -> httpx.Response:
        """`body` is JSON. Raises the house's errors, with what the server said."""
        if len(body) > UPLOADED:
            return self._retrying(self._post_uploaded, path, body)
        return self._retrying(self._once, "POST", path, content=body, headers=self._headers(JSON))

    def _post_uploaded(self, path: str, body: bytes) -> httpx.Response:
        """A new place each time: an upload that was cut off leaves one that may not be there any more."""
        wanted = json.dumps({"size": len(body), "content_type": JSON["Content-Type"]}).encode()
        place = self._once("POST", "/uploads", content=wanted, headers=self._headers(JSON)).json()
        self._once("PUT", place["url"], content=body, headers=place["headers"])
        return self._once("POST", path, headers=self._headers({"X-Upload-Key": place["upload_key"]}))

    def _once(self, method: str, path: str, **about: Any) -> httpx.Response:
        url = path if "://" in path else self.url.rstrip("/") + path
        try:
            answer = self.http.request(method, url, follow_redirects=False, **about)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise InvalidInput(f"{self.url} is no address of a server: it begins with http:// or https://") from error
        except httpx.TransportError as error:
            raise Away(f"{self.url} does not answer: {error or type(error).__name__}") from error
        if answer.status_code == 303:  # a large answer waits elsewhere, where our key is nobody's business
            return self._once("GET", answer.headers["Location"])
        return self._checked(answer)

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        said = _said(answer)
        if answer.status_code in PASSING:
            raise Away(f"the server answers {answer.status_code}: {said}", retry_after(answer))
        raise REFUSALS.get(answer.status_code, QuintetError)(said)

    def _headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        key = {"X-API-Key": self.api_key} if self.api_key else {}
        return {**key, **(more or {})}

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(self._backoff(state), error.after if isinstance(error, Away) else 0)


JSON: Mapping[str, str] = MappingProxyType({"Content-Type": "application/json"})


def retry_after(answer: httpx.Response) -> float:
    """Seconds that the server asks for before it is asked again; 0 where it doesn't."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_WAIT) if asked.isdecimal() else 0


def _said(answer: httpx.Response) -> str:
    """The room's errors have `error`, the house's others `detail`, API Gateway's `message`."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    found = (
        next((body[name] for name in ("error", "detail", "message") if name in body), "")
        if isinstance(body, dict)
        else ""
    )
    return str(found) or f"{answer.status_code} {answer.reason_phrase}"
