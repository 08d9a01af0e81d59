"""Posting results to somebody's API, and reading its answer."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from quintet.kernel.calls import Answer, Calls
from quintet.kernel.errors import InvalidInput, Unavailable
from quintet.kernel.text import printable

SECONDS = 15.0
"""How long an API may take."""

TAKEN = {200, 201, 202}
LATER = {408, 409, 421, 423, 425, 429}
"""Of the refusals, those that the same message may pass later; 409: it is being taken just now, under the same key."""

JSON_HEADERS = {"Content-Type": "application/json"}
_SHOWN_CHARACTERS = 200


def send(
    calls: Calls,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float = SECONDS,
    addresses: Sequence[str] | None = None,
) -> Answer:
    """Returns once it is taken. Raises Unavailable for what may pass, and InvalidInput for a refusal for good.

    A redirection is none: it may be a front door's while the service is away. It is not followed.
    """
    answer = calls.post(url, body, headers={**JSON_HEADERS, **headers}, seconds=seconds, addresses=addresses)
    if answer.status in TAKEN:
        return answer
    host = urlsplit(url).hostname
    if answer.status >= 500 or answer.status in LATER:
        raise Unavailable(f"{host} answered {answer.status}", answer=shown(answer))
    if 300 <= answer.status < 400:
        raise Unavailable(
            f"{host} answered {answer.status}: set the URL that it leads to, redirections are not followed"
        )
    raise InvalidInput(f"{host} answered {answer.status}", answer=shown(answer))


def shown(answer: Answer) -> str:
    """The beginning of its body, for the log."""
    return printable(answer.body[: 4 * _SHOWN_CHARACTERS].decode(errors="replace"))[:_SHOWN_CHARACTERS]
