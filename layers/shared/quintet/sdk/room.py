"""The aggregation room's routes, as an owner calls them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from quintet.aggregation.secagg.terms import Round, Terms
from quintet.kernel.errors import NotFound, PermissionDenied, Unavailable
from quintet.sdk.transport import Transport, retry_after


class Standing(BaseModel):
    """Where a session stands, as one of its clients sees it: `round` is one of ROUNDS, or how it has ended; `members`
    are those who are in it still; `asks_to_wait` are the seconds until the server wants to be asked again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    terms: Terms
    round: str
    members: tuple[str, ...] = ()
    taking_part: bool = True
    reason: str = ""
    asks_to_wait: float = 0


SESSIONS = TypeAdapter(list[Standing])


@dataclass(frozen=True)
class Room:
    transport: Transport
    client: str

    def register(self, public_key: str, *, port: int = 0, certificate: str = "") -> None:
        """In the place of what the server had of this client. Raises PermissionDenied where the name is another's."""
        self._post("/api/register-client", {
            "client_id": self.client, "port": port, "crt": certificate, "force": True, "signing_key": public_key,
        })  # fmt: skip

    def update(self, job: str, total: int, schema: Sequence[Mapping[str, Any]] | None, **more: Any) -> str:
        """Tells that this owner is ready; what the server says to it. Raises Conflict where it disagrees."""
        about = {"jobId": job, "clientId": self.client, "totalClients": total, "schema": schema, **more}
        return str(self._post("/api/update", {key: value for key, value in about.items() if value is not None}))

    def status(self, job: str) -> dict[str, Any]:
        """Raises NotFound."""
        return dict(self.transport.get(f"/api/job-status/{_quoted(job)}").json())

    def standing(self, job: str) -> Standing | None:
        """None where the job has no session of ours yet.

        Raises PermissionDenied for one of another job: under its name the server could have the same values once more.
        """
        try:
            answer = self.transport.get(f"/api/secagg/jobs/{_quoted(job)}", {"client": self.client})
        except NotFound:
            return None
        found = _understood(answer.json())
        if found.terms.job != job:
            raise PermissionDenied(f"asked about job {job}, the server tells of a session of job {found.terms.job}")
        return found.model_copy(update={"asks_to_wait": retry_after(answer)})

    def sessions(self) -> list[Standing]:
        """Those that wait for this client."""
        answer = self.transport.get(f"/api/secagg/clients/{_quoted(self.client)}/sessions").json()
        try:
            return SESSIONS.validate_python(answer["sessions"])
        except (ValidationError, KeyError, TypeError) as error:
            raise _not_understood(error) from None

    def given(self, job: str, closed: Round) -> dict[str, Any]:
        """What the server made of a closed round for this client."""
        answer = self.transport.get(f"/api/secagg/jobs/{_quoted(job)}/{closed}", {"client": self.client})
        return dict(answer.json())

    def send(self, job: str, name: Round, message: bytes) -> Standing:
        """Idempotent; how the session stands then. Raises Conflict where the round is closed without it, or the server
        has another message of this client.
        """
        return _understood(self.transport.post(f"/api/secagg/jobs/{_quoted(job)}/{name}", message).json())

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.transport.post(path, json.dumps(body, allow_nan=False).encode())
        return answer.json() if answer.content else {}


def _understood(value: Any) -> Standing:
    try:
        return Standing.model_validate(value)
    except ValidationError as error:
        raise _not_understood(error) from None


def _not_understood(error: Exception) -> Unavailable:
    return Unavailable("the server says of sessions what this version can't read: update the package", error=str(error))


def _quoted(name: str) -> str:
    return quote(name, safe="")
