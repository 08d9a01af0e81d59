"""The models: which answers, which there are, and what they look at."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field

from quintet.entry.identity import CallerFirst
from quintet.handover.errors import ResourceNotFoundError
from quintet.handover.health import ModelHealth
from quintet.handover.http.room import Responses, TheCaller, TheRoom, told
from quintet.handover.messages import Kind, Version

router = APIRouter(prefix="/api", tags=["models"], route_class=CallerFirst)

TOP = 10
KINDS: tuple[Kind, ...] = ("lightgbm", "lstm", "ensemble", "online")
NOT_SWITCHED: Responses = {
    400: {"description": "This can be no version's name."},
    404: {"description": "There is no such version."},
    409: {"description": "The version is not as it was published, or another switch came first."},
}

NamedVersion = Annotated[Version, Path(description="A version's name, as `GET /api/models` tells it.")]


class ListedModel(BaseModel):
    version: str
    model_type: Kind
    trained_at: str


class ModelList(BaseModel):
    """The first field is the original's answer."""

    versions: list[str]
    active: str = Field(description="The version that should answer.")
    details: list[ListedModel]


class Switched(BaseModel):
    status: str = "ok"
    version: str


class FeatureImportance(BaseModel):
    """By share of 1, the greatest first; the first ten also as pairs of name and share."""

    feature_importance: dict[str, float]
    top_10: list[list[str | float]]
    version: str


class ModelType(BaseModel):
    status: str = "success"
    model_type: Kind
    available_types: list[Kind] = list(KINDS)


@router.get("/model-health", response_model=ModelHealth)
def tell_model_health(room: TheRoom) -> Response:
    """Which model answers, whether it is the one that should, and how training goes. Never needs a token."""
    return told(room.serving.health())


@router.get("/models")
def list_models(caller: TheCaller, room: TheRoom) -> ModelList:
    """The versions that may be switched to."""
    versions = room.serving.versions
    listed = [
        ListedModel(version=one.version, model_type=one.kind, trained_at=one.trained_at) for one in versions.list()
    ]
    return ModelList(versions=[one.version for one in listed], active=versions.active().version, details=listed)


@router.post("/models/{version}", responses=NOT_SWITCHED)
@router.put("/models/{version}", responses=NOT_SWITCHED)
def switch_model(version: NamedVersion, caller: TheCaller, room: TheRoom) -> Switched:
    """Have this version answer, everywhere within seconds. It is verified and tried before."""
    return Switched(version=room.serving.switch(version).version)


@router.get(
    "/feature-importance", responses={404: {"description": "The model that answers does not say what weighs how much."}}
)
def tell_importance(caller: TheCaller, room: TheRoom) -> FeatureImportance:
    """How much each feature weighs in the model that answers."""
    version = room.serving.selector().version
    weights = room.serving.versions.read(version).importance
    if not weights:
        raise ResourceNotFoundError(f"version {version} does not say what weighs how much: switch to a lightgbm one")
    ranked = sorted(weights.items(), key=lambda one: (-one[1], one[0]))
    top = [list(one) for one in ranked[:TOP]]
    return FeatureImportance(feature_importance=dict(ranked), top_10=top, version=version)


@router.get("/model-type")
def tell_model_type(caller: TheCaller, room: TheRoom) -> ModelType:
    """The kind of the model that answers."""
    return ModelType(model_type=room.serving.selector().kind)
