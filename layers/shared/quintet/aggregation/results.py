"""The result of a job, and the objects that tell it: what the API is sent, and what a file holds.

All are made of the result alone, its moment of completion included: told anew, they are the same bytes.

    >>> result = Result("job_1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), clients=("a", "b"))
    >>> file_name(result, "json")
    'job_1_results_20260102_030405.json'
    >>> payload(result)["metadata"]
    {'totalFeatures': 0, 'processingCompletedAt': '2026-01-02T03:04:05+00:00'}
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from urllib.parse import quote

from quintet.aggregation.results_text import text
from quintet.kernel.errors import Conflict, InvalidInput

Format = Literal["json", "txt"]
CONTENT_TYPES: Mapping[Format, str] = {"json": "application/json", "txt": "text/plain; charset=utf-8"}

MOST_COPIES = 100
"""Of one job in one second: files of the same name that hold something else."""

_NAME_CHARACTERS = 120
_BUT_THE_FIRST = "%-"
"""Between the beginning of a long name and its digest: `quote` makes nothing of the kind."""


@dataclass(frozen=True)
class Result:
    """`features` are the decoded ones, in the schema's order; `clients` those whose values are in the sum."""

    job: str
    completed_at: datetime
    clients: tuple[str, ...] = ()
    features: tuple[Mapping[str, Any], ...] = ()

    @property
    def moment(self) -> str:
        return self.completed_at.isoformat()


def key_of(job: str) -> str:
    """Where the room keeps a job's result."""
    return f"aggregation/jobs/{path_part(job)}/result.json"


def kept(job: str, clients: Sequence[str], features: Sequence[Mapping[str, Any]]) -> bytes:
    """As the room keeps it, without the moment: two may finish a job at once, and both write the same bytes."""
    content = {"schema": 1, "jobId": job, "clientList": list(clients), "aggregatedResults": list(features)}
    return _as_json(content, indent=None)


def read(content: bytes, completed_at: datetime) -> Result:
    """What `kept` made, of a job that was completed then."""
    known = json.loads(content)
    return Result(known["jobId"], completed_at, tuple(known["clientList"]), tuple(known["aggregatedResults"]))


class ResultFiles(Protocol):
    """Where result files go: a folder, or a part of a bucket."""

    def address(self, name: str) -> str:
        """What the file of that name is called by those who look for it."""
        ...

    def create(self, name: str, content: bytes, *, content_type: str) -> bool:
        """Store a file whole; False where another content has that name. The same content may be stored again.

        Raises Unavailable and Misconfigured.
        """
        ...

    def replace(self, name: str, content: bytes, *, content_type: str) -> None:
        """Store a file whole, in the place of what had that name. Raises Unavailable and Misconfigured."""


def payload(result: Result) -> dict[str, Any]:
    return {
        "jobId": result.job,
        "timestamp": result.moment,
        "clientList": list(result.clients),
        "totalClients": len(result.clients),
        "aggregatedResults": [dict(feature) for feature in result.features],
        "metadata": {"totalFeatures": len(result.features), "processingCompletedAt": result.moment},
    }


def api_body(result: Result) -> bytes:
    """What the results API is sent. Raises InvalidInput for values that JSON can't hold."""
    return _as_json(payload(result), indent=None)


def file_body(result: Result, format: Format, saved_at: str) -> bytes:  # noqa: A002 -- the word for it
    """What its file holds; `saved_at` is where the file stands. Raises InvalidInput for values that JSON can't hold."""
    if format == "txt":
        return text(result.job, result.moment, result.clients, result.features).encode()
    said = payload(result)
    return _as_json({**said, "metadata": {**said["metadata"], "savedAt": saved_at}}, indent=4)


def file_name(result: Result, format: Format, copy: int = 1) -> str:  # noqa: A002
    """`copy` counts the files of this name that hold something else."""
    moment = result.completed_at.astimezone(UTC).strftime("%Y%m%d_%H%M%S")
    numbered = f"_{copy}" if copy > 1 else ""
    return f"{path_part(result.job)}_results_{moment}{numbered}.{format}"


def save(files: ResultFiles, result: Result, format: Format) -> str:  # noqa: A002
    """Write the result's file, and no other's over; its address. Saved again, it is the same file.

    Raises Unavailable, Misconfigured, InvalidInput, and Conflict where every name it might have is taken.
    """
    for copy in range(1, MOST_COPIES + 1):
        name = file_name(result, format, copy)
        address = files.address(name)
        if files.create(name, file_body(result, format, address), content_type=CONTENT_TYPES[format]):
            return address
    raise Conflict(f"{MOST_COPIES} other results have the name of {files.address(file_name(result, format))}")


def path_part(name: str) -> str:
    """The name as a part of a path: no two names give the same one, and letters, digits, `_`, `-`, `.` and `~` stay.

    >>> path_part("job_1"), path_part("../../x"), path_part("a/b"), path_part("a%2Fb")
    ('job_1', '%2E.%2F..%2Fx', 'a%2Fb', 'a%252Fb')
    """
    quoted = quote(name, safe="")
    if quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= _NAME_CHARACTERS:
        return quoted
    return f"{quoted[:_NAME_CHARACTERS]}{_BUT_THE_FIRST}{hashlib.sha256(name.encode()).hexdigest()}"


def _as_json(value: Mapping[str, Any], *, indent: int | None) -> bytes:
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the results can't be written as JSON: {error}") from error
