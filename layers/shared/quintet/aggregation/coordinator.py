"""The coordinator that existing orchestrators speak to, in front of our own sessions of secure aggregation.

Its words are those of the published one (GPikra/smpc-for-mip). What it would have computed otherwise and we do not, we
refuse to: nothing that was asked for is left out in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from quintet.aggregation.messages import ClientId, Outcome, RunStatus
from quintet.aggregation.owners import Owners
from quintet.aggregation.return_urls import ReturnUrls
from quintet.aggregation.session import Session
from quintet.aggregation.session_finishing import status_of
from quintet.aggregation.session_opening import MOST_OWNERS
from quintet.aggregation.sessions import Sessions
from quintet.kernel.errors import Conflict, InvalidInput

SERVED = ("sum", "fsum")
KNOWN = (*SERVED, "product", "fprod", "union", "min", "max", "fmin", "fmax")
NOISE = ("dp", "cs", "es")


def lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Order(BaseModel):
    """What is to be computed. Differential privacy (`dp`, or `cs` and `es`) is not offered, and hence refused."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Annotated[str, BeforeValidator(lower)] = Field(alias="computationType", max_length=20, examples=["sum"])
    clients: Annotated[list[ClientId], Field(min_length=1, max_length=MOST_OWNERS)]
    return_url: str | None = Field(default=None, alias="returnUrl", max_length=2000)
    dp: Any = None
    cs: Any = None
    es: Any = None


class Registration(BaseModel):
    """How a client is reached and, ours, known: `signing_key` is base64 of the 32 bytes of its Ed25519 key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: ClientId
    port: int = Field(ge=0, le=65535)
    crt: str = Field(max_length=65536)
    force: bool = False
    signing_key: str | None = Field(default=None, pattern=r"^[A-Za-z0-9+/]{43}=$")


class ReturnUrl(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str = Field(max_length=2000)


class Result(BaseModel):
    """How far a computation is. `version` tells runs apart; `validation` is how many owners confirmed who is in it."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    job: str = Field(alias="jobId")
    status: RunStatus
    kind: str = Field(alias="computationType")
    output: list[str] | None = Field(default=None, alias="computationOutput")
    version: float
    validation: int = 0
    message: str | None = None


@dataclass(frozen=True)
class Coordinator:
    sessions: Sessions
    owners: Owners
    returns: ReturnUrls

    def start(self, job: str, order: Order) -> None:
        """Raises InvalidInput, NotFound where clients are not connected, and Conflict where the job was started."""
        check(order)
        if self.sessions.find(job) is not None:
            raise queued(job)
        if order.return_url is not None:
            self.returns.set(job, order.return_url)
        try:
            self.sessions.begin(job, order.clients, kind=order.kind)
        except Conflict:
            raise queued(job) from None

    def result(self, job: str) -> Result | None:
        """None where nothing was started."""
        session = self.sessions.find(job)
        return result_of(session, self.sessions.outcome_of(session)) if session else None

    def set_return_url(self, job: str, url: str) -> None:
        """Raises InvalidInput and Conflict."""
        self.returns.set(job, url)
        session = self.sessions.find(job)
        if session is not None and session.ended:
            self.tell(session, self.sessions.outcome_of(session))

    def tell(self, session: Session, outcome: Outcome) -> None:
        """The sessions' `told`: whoever gave a URL gets the result there."""
        told = result_of(session, outcome).model_dump(mode="json", by_alias=True, exclude_none=True)
        self.returns.tell(session.job, told)

    def clients(self) -> list[Mapping[str, str]]:
        return [{"id": owner.client, "ip": f"http://{owner.address}:{owner.port}"} for owner in self.owners.all()]

    def certificates(self) -> list[Mapping[str, str]]:
        return [{"id": owner.client, "crt": owner.crt} for owner in self.owners.all()]


def check(order: Order) -> None:
    """Raises InvalidInput for what is not served."""
    kind = order.kind
    if kind not in SERVED:
        what = "is not served here" if kind in KNOWN else "is not known"
        raise InvalidInput(f"computationType: {kind[:20]!r} {what}; {' and '.join(SERVED)} are")
    asked = [name for name in NOISE if getattr(order, name) is not None]
    if asked:
        raise InvalidInput(f"{', '.join(asked)}: differential privacy is not offered; leave it out for the exact sum")


def result_of(session: Session, outcome: Outcome) -> Result:
    completed = outcome.status == "COMPLETED"
    return Result(
        job=session.job,
        status=status_of(session),
        kind=session.kind,
        output=list(outcome.output) if completed else None,
        version=session.created_at.timestamp(),
        validation=len(session.members.get("confirm", ())),
        message=f"Failed computation: {outcome.message}" if outcome.status == "FAILED" else None,
    )


def queued(job: str) -> Conflict:
    return Conflict(f"Cannot queue job {job}: it is, or was, computed already. Start it under another id.")
