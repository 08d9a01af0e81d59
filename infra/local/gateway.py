"""What AWS refuses and local gateways let through: the limits, and the API's own words for them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

MB = 1024 * 1024
BODY_LIMIT = 10 * MB
EVENT_LIMIT = 6 * MB
TIMEOUT = 29.0  # seconds
OF_REQUEST = "method.request.header."
REQUEST_ID = "context.requestId"
ENVELOPE = 2048  # bytes: the request context and the keys of a proxy event, about


@dataclass(frozen=True)
class Answer:
    """A gateway's own response. A header's value may name one of the request's (method.request.header.Origin), and
    both it and the body may name the request's id.
    """

    status: int
    headers: dict[str, str]
    body: str

    def headers_for(self, request: Mapping[str, str]) -> dict[str, str]:
        named = {name: value.removeprefix(OF_REQUEST) for name, value in self.headers.items() if OF_REQUEST in value}
        fixed = {name: value for name, value in self.headers.items() if name not in named}
        return {**fixed, **{name: request[source] for name, source in named.items() if source in request}}

    def of(self, request_id: str) -> "Answer":
        """As the request of that id is told it."""
        headers = {name: request_id if value == REQUEST_ID else value for name, value in self.headers.items()}
        return replace(self, headers=headers, body=self.body.replace(f"${REQUEST_ID}", request_id))


TIMED_OUT = Answer(504, {"content-type": "application/json"}, '{"message": "Endpoint request timed out"}')
TOO_LARGE = Answer(413, {"content-type": "application/json"}, '{"message": "Request Too Long"}')


@dataclass(frozen=True)
class Api:
    """A deployed REST API: where it is, what it takes as binary, what it says to a request that is too large."""

    room: str
    port: int
    upstream: str
    binary: tuple[str, ...] = ()
    too_large: Answer = TOO_LARGE
    timed_out: Answer = TIMED_OUT

    @classmethod
    def read(cls, value: dict[str, Any]) -> "Api":
        answers = {name: Answer(**value[name]) for name in ("too_large", "timed_out")}
        return cls(**{**value, **answers, "binary": tuple(value["binary"])})

    def takes_as_binary(self, content_type: str) -> bool:
        media = content_type.partition(";")[0].strip().lower()
        return any(media == kind or kind in ("*/*", f"{media.partition('/')[0]}/*") for kind in self.binary)


def event_size(api: Api, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
    """Bytes of the proxy event that Lambda would get, headers and query in it twice; close, not exact."""
    content_type = dict(headers).get(b"content-type", b"").decode("latin-1")
    around = ENVELOPE + 2 * len(path) + 2 * sum(len(name) + len(value) + 8 for name, value in headers)
    if api.takes_as_binary(content_type):
        return around + 4 * ((len(body) + 2) // 3)
    if len(body) < EVENT_LIMIT // 6:  # the longest escape of one byte has six
        return around + len(body)
    return around + len(json.dumps(body.decode("utf-8", "replace"), ensure_ascii=False).encode())


def answer_of(response: dict[str, Any], usual: Answer) -> Answer:
    """A GatewayResponse as the client sees it; what it leaves open is as in `usual`."""
    templates = response.get("responseTemplates") or {}
    kind, template = next(iter(templates.items()), ("application/json", '{"message":$context.error.messageString}'))
    headers = {
        name.removeprefix("gatewayresponse.header.").lower(): value.strip("'")
        for name, value in (response.get("responseParameters") or {}).items()
        if name.startswith("gatewayresponse.header.")
    }
    return Answer(
        int(response.get("statusCode") or usual.status),
        {"content-type": kind, **headers},
        rendered(template, json.loads(usual.body)["message"]),
    )


def rendered(template: str, message: str) -> str:
    words = {"$context.error.messageString": json.dumps(message), "$context.error.message": message}
    for variable, value in words.items():
        template = template.replace(variable, value)
    return re.sub(r"\$context\.(?!requestId\b)[\w.]+", "", template)
