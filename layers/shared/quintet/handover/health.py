"""What `/api/model-health` says: which model answers, whether that is the one that should, and how training goes."""

from typing import Any, Literal

from pydantic import Field

from quintet.handover.messages import Body, Kind


class ModelMetadata(Body):
    """Of the model that answers now, in the original's names."""

    model_type: Kind
    trained_at: str
    version: str
    metrics: dict[str, Any]


class TrainingHealth(Body):
    """The newest training; `reason` says why it failed."""

    run: str
    status: Literal["waiting", "running", "done", "failed"]
    kind: Kind
    since: str = ""
    reason: str = ""


class ModelHealth(Body):
    """The first two fields are the original's answer."""

    ready: bool
    metadata: ModelMetadata | None = None
    active: str = Field(description="The version that should answer.")
    serving: str | None = Field(None, description="The version that does; null where none can be loaded.")
    fallback_reason: str | None = Field(None, description="Why another version answers than should.")
    training: TrainingHealth | None = Field(None, description="The newest training; null where none is known.")
