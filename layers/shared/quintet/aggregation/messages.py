"""What comes in and goes out, in the original's names."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

Status = Literal["WAITING", "IN_PROGRESS", "AGGREGATING", "COMPLETED", "FAILED"]
RunStatus = Literal["IN_QUEUE", "RUNNING", "VALIDATING", "COMPLETED", "FAILED"]

MOST_CLIENTS = 1000
SCHEMA_BYTES = 1024 * 1024
"""Of a schema as JSON: it stands in one row with the rest of its job."""


def _as_text(value: Any) -> Any:
    """The original took whatever `str` makes a text of; whole numbers are what clients really send besides texts."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sayable(text: str) -> str:
    text.encode()  # UnicodeEncodeError, a ValueError: half of a surrogate pair is no text
    if not text.isprintable():
        raise ValueError("holds characters that can't be printed")
    return text


Name = Annotated[
    str, BeforeValidator(_as_text), StringConstraints(min_length=1, max_length=128), AfterValidator(_sayable)
]
JobId = Name
ClientId = Name


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is a number, not true or false")
    return value


Count = Annotated[int, BeforeValidator(_no_truth), Field(ge=1, le=MOST_CLIENTS)]


def _within_reason(schema: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()) > SCHEMA_BYTES:
        raise ValueError(f"is larger than {SCHEMA_BYTES} bytes")
    return schema


class Update(BaseModel):
    """A client has its data ready. `clientsList` is an older generation's way to say how many there are.

    What the first update of a job says of `minClients`, `deadlineSeconds` and `roundSeconds` (ours) counts for the job.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    job: JobId = Field(alias="jobId")
    client: ClientId = Field(alias="clientId")
    total: Count = Field(alias="totalClients")
    layout: Annotated[list[dict[str, Any]], AfterValidator(_within_reason)] | None = Field(default=None, alias="schema")
    minimum: Count | None = Field(default=None, alias="minClients")
    deadline_seconds: Annotated[float, Field(gt=0, le=30 * 86400, allow_inf_nan=False)] | None = Field(
        default=None, alias="deadlineSeconds"
    )
    round_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] | None = Field(
        default=None, alias="roundSeconds"
    )

    @model_validator(mode="before")
    @classmethod
    def of_either_generation(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "totalClients" in value:
            return value
        listed = value.get("clientsList")
        if isinstance(listed, list):
            return {**value, "totalClients": len(dict.fromkeys(map(str, listed)))}
        return value

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.minimum is not None and self.minimum > self.total:
            raise ValueError(f"minClients ({self.minimum}) is more than totalClients ({self.total})")
        return self


class Nudge(BaseModel):
    """Word that a job wants looking after; `sweep`: all of them do."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    about: Literal["job", "sweep"] = "job"
    job: str = ""


class Outcome(BaseModel):
    """How far a secure aggregation is, and its sum as exact decimal texts.

    `clients` are those whose values are in the sum; none: the aggregator does not say, hence all that were asked for.
    """

    model_config = ConfigDict(frozen=True)

    status: RunStatus
    output: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    message: str = ""
