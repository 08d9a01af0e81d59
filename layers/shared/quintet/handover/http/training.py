"""Training on samples that come with the request."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from quintet.entry.caller import Caller
from quintet.entry.identity import CallerFirst
from quintet.entry.jobs import Job, prefers_async
from quintet.handover.errors import ModelError
from quintet.handover.http.room import JSON, UNUSABLE, HandoverRoom, TheCaller, TheRoom, described, sent
from quintet.handover.http.waiting import FOLLOWED, follow, job_for, patience
from quintet.handover.messages import Kind, TrainingSample
from quintet.handover.runs import Run
from quintet.kernel.errors import InvalidInput

router = APIRouter(prefix="/api", tags=["training"], route_class=CallerFirst)

MB_OF_SAMPLES = 50
LONGEST_TRAINING = 3600.0

Given = Annotated[list[TrainingSample], Depends(sent(list[TrainingSample], megabytes=MB_OF_SAMPLES))]
OfKind = Annotated[
    Kind | None,
    Query(alias="model_type", description="The kind to train. Default: the active version's; at first MODEL_TYPE."),
]


class TrainingMetrics(BaseModel):
    model_config = ConfigDict(extra="allow")

    samples: int
    classes: int
    feature_importance: dict[str, float]
    val_accuracy: float | None = None
    val_f1: float | None = None


class TrainingAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    status: Literal["success"] = "success"
    metrics: TrainingMetrics


class AsyncTrainingAnswer(TrainingAnswer):
    is_async: Literal[True] = Field(True, alias="async")


@router.post(
    "/train",
    response_model=TrainingAnswer,
    responses=UNUSABLE | FOLLOWED,
    openapi_extra=described(list[TrainingSample]),
)
def train(request: Request, caller: TheCaller, samples: Given, room: TheRoom, kind: OfKind = None) -> Response:
    """Train a model on these samples, have it answer, and tell how good it is. What takes longer becomes a job."""
    return Training(request, caller, room, kind or room.kind()).answer(samples)


@router.post(
    "/train-async",
    response_model=AsyncTrainingAnswer,
    responses=UNUSABLE | FOLLOWED,
    openapi_extra=described(list[TrainingSample]),
)
def train_async(request: Request, caller: TheCaller, samples: Given, room: TheRoom, kind: OfKind = None) -> Response:
    """The same, and `async`."""
    return Training(request, caller, room, kind or room.kind()).answer(samples, {"async": True})


class Training:
    """One that a request asks for."""

    def __init__(self, request: Request, caller: Caller, room: HandoverRoom, kind: Kind) -> None:
        self._request, self._caller, self._room, self._kind = request, caller, room, kind

    def answer(self, samples: list[TrainingSample], more: dict[str, Any] | None = None) -> Response:
        """Waits for a while, unless asked not to. Raises what is wrong with the samples, and ModelError."""
        job = job_for(self._caller, self._room, seconds=LONGEST_TRAINING)
        trainings = self._room.trainings
        name = job.job_id if job else ""
        run = trainings.begin(self._kind, samples=samples, caller=self._caller.id, job=name, more=more or {})
        if not prefers_async(self._request):
            seconds = patience(self._request, self._room.models.train_wait_seconds)
            run = trainings.waiting(run.id, seconds, time.sleep)
        return self._outcome(run, job)

    def _outcome(self, run: Run, job: Job | None) -> Response:
        if run.status == "failed":
            raise refusal(run)
        if run.answer is not None:
            return Response(to_json(run.answer | run.more, inf_nan_mode="null"), media_type=JSON)
        return follow(job, self._request, "the training")


def refusal(run: Run) -> InvalidInput | ModelError:
    return InvalidInput(run.error) if run.error_status in {400, 422} else ModelError(run.error)
