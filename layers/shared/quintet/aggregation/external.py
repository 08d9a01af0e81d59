"""An aggregator of somebody else's, spoken to as the original does: start, then poll for the result.

Such a coordinator runs a job anew that is started again after its end, over the same clients: nothing new is learnt.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from quintet.aggregation.messages import Outcome, RunStatus
from quintet.aggregation.settings import Coordinator
from quintet.kernel.calls import Answer, Calls
from quintet.kernel.errors import Conflict, InvalidInput, NotFound, PermissionDenied, QuintetError, Unavailable
from quintet.kernel.text import printable

SECONDS = 15.0
"""How long an answer may take."""

NO_CAPACITY = 411
"""Said by coordinators whose queue takes no more at the moment."""

STATES = ("IN_QUEUE", "RUNNING", "VALIDATING", "COMPLETED", "FAILED")
_JSON = {"Content-Type": "application/json"}
_QUOTED = 300
"""Characters of what it says that are told on."""


@dataclass(frozen=True)
class ExternalAggregator:
    calls: Calls
    coordinator: Coordinator

    def start(
        self, job: str, clients: Sequence[str], *, size: int | None, minimum: int, round_seconds: float | None
    ) -> None:
        """All of `clients` or nobody: it knows no dropouts, and asks them for their sizes itself.

        Raises NotFound where clients are not connected, Conflict, InvalidInput, PermissionDenied, and Unavailable.
        """
        body = json.dumps({"computationType": "sum", "clients": list(clients)}).encode()
        answer = self.calls.post(self._url("secure-aggregation", job), body, headers=_JSON, seconds=SECONDS)
        if answer.status == Conflict.status and self._is_known(job):
            return  # we, or one before us, were heard
        if not 200 <= answer.status < 300:
            raise refusal(answer)

    def outcome(self, job: str) -> Outcome:
        """Raises NotFound where it knows nothing of the job, InvalidInput for an answer of no known form, and
        Unavailable.
        """
        answer = self.calls.get(self._url("get-result", job), seconds=SECONDS)
        if answer.status == 204:
            raise NotFound("the coordinator knows nothing of this job")
        if answer.status != 200:
            raise refusal(answer)
        return outcome_of(answer.body)

    def _is_known(self, job: str) -> bool:
        try:
            return bool(self.outcome(job).status)
        except NotFound:
            return False

    def _url(self, what: str, job: str) -> str:
        host = self.coordinator.host
        place = f"[{host}]" if ":" in host else host
        return f"http://{place}:{self.coordinator.port}/api/{what}/job-id/{quote(job, safe='')}"


def outcome_of(body: bytes) -> Outcome:
    """Numbers stay as they are written. Raises InvalidInput.

    >>> outcome_of(b'{"status": "COMPLETED", "computationOutput": ["45000", 12.50]}').output
    ('45000', '12.50')
    """
    try:
        said = json.loads(body, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the coordinator's answer is no JSON") from error
    status = said.get("status") if isinstance(said, Mapping) else None
    if status not in STATES:
        raise InvalidInput("the coordinator's answer has no known status", status=status)
    output = _texts(said.get("computationOutput")) if status == "COMPLETED" else ()
    return Outcome(status=cast(RunStatus, status), output=output, message=_short(said.get("message")))


def refusal(answer: Answer) -> QuintetError:
    """What an answer other than the expected means: whether it may pass, and what it says."""
    said = f"the coordinator answered {answer.status}: {_short(answer.body.decode(errors='replace')) or 'nothing more'}"
    if answer.status >= 500 or answer.status in {408, 425, 429, NO_CAPACITY}:
        return Unavailable(said)
    kinds: dict[int, type[QuintetError]] = {401: PermissionDenied, 403: PermissionDenied, 404: NotFound, 409: Conflict}
    return kinds.get(answer.status, InvalidInput)(said)


def _texts(output: Any) -> tuple[str, ...]:
    if not isinstance(output, list) or not all(isinstance(one, str) for one in output):
        raise InvalidInput("the coordinator's computationOutput is no list of numbers")
    return tuple(output)


def _short(text: object) -> str:
    return printable(text if isinstance(text, str) else "")[:_QUOTED].strip()
