"""Predictions."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field

from quintet.entry.identity import CallerFirst
from quintet.handover.http.room import (
    JSON,
    UNUSABLE,
    HandoverRoom,
    Responses,
    TheCaller,
    described,
    sent,
    the_room,
    told,
)
from quintet.handover.messages import Kind, Prediction, PredictionRequest, PredictionWithQosRequest, QosPrediction
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import QuintetError

router = APIRouter(prefix="/api", tags=["prediction"], route_class=CallerFirst)

DEFERRED = frozenset({"/api/predict", "/api/predict-async", "/api/predict-with-qos"})
"""Requests that `Prefer: respond-async` makes jobs as they are."""

UNANSWERABLE: Responses = UNUSABLE | {
    404: {"description": "There is no model of this kind, or X-Upload-Key names nothing that was uploaded."},
    422: {"description": "No cell is heard: `rf_metrics` is missing or says nothing."},
}

Answer = TypeVar("Answer")


class AsyncPrediction(Prediction):
    model_config = ConfigDict(populate_by_name=True)

    is_async: Literal[True] = Field(True, alias="async")


Asked = Annotated[PredictionRequest, Depends(sent(PredictionRequest, megabytes=5))]
AskedWithQos = Annotated[PredictionWithQosRequest, Depends(sent(PredictionWithQosRequest, megabytes=5))]
OfKind = Annotated[
    Kind | None, Query(alias="model_type", description="Ask the newest version of this kind, not the active one.")
]


@router.post("/predict", response_model=Prediction, responses=UNANSWERABLE, openapi_extra=described(PredictionRequest))
def predict(request: Request, caller: TheCaller, asked: Asked, kind: OfKind = None) -> Response:
    """The cell that should serve the UE next, among those that it hears; all of them ranked, each with a reason."""
    room = the_room(request)
    return told(counted(room, lambda: room.predictor.predict(asked, kind)))


@router.post(
    "/predict-async",
    response_model=AsyncPrediction,
    responses=UNANSWERABLE,
    openapi_extra=described(PredictionRequest),
)
def predict_async(request: Request, caller: TheCaller, asked: Asked, kind: OfKind = None) -> Response:
    """The same, and `async`. With `Prefer: respond-async` a job, and the answer later."""
    room = the_room(request)
    prediction = counted(room, lambda: room.predictor.predict(asked, kind))
    return Response(prediction.model_dump_json().removesuffix("}") + ',"async":true}', media_type=JSON)


@router.post(
    "/predict-with-qos",
    response_model=QosPrediction,
    responses=UNANSWERABLE,
    openapi_extra=described(PredictionWithQosRequest),
)
def predict_with_qos(request: Request, caller: TheCaller, asked: AskedWithQos, kind: OfKind = None) -> Response:
    """The same, with what the service requires of the network, and whether the answer keeps to it."""
    room = the_room(request)
    return told(counted(room, lambda: room.predictor.predict_with_qos(asked, kind)))


def counted(room: HandoverRoom, predict: Callable[[], Answer]) -> Answer:
    """A prediction that fails is among the metrics, too; those that succeed are counted where they are made."""
    from quintet.handover.telemetry import failed

    started = stopwatch()
    try:
        return predict()
    except QuintetError:
        room.telemetry.add(*failed(stopwatch() - started))
        raise
