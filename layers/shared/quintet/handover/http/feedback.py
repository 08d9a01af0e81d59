"""Feedback: how what was advised turned out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BeforeValidator

from quintet.entry.identity import CallerFirst
from quintet.handover.feedback import FeedbackAnswer, QosFeedbackAnswer
from quintet.handover.http.room import UNUSABLE, TheCaller, TheRoom, described, sent, told
from quintet.handover.messages import FeedbackSample, QosFeedback

router = APIRouter(prefix="/api", tags=["feedback"], route_class=CallerFirst)

MB_OF_FEEDBACK = 10


def listed(body: object) -> object:
    """One sample counts as a list of one."""
    return [body] if isinstance(body, dict) else body


Samples = Annotated[list[FeedbackSample], BeforeValidator(listed)]
Told = Annotated[list[FeedbackSample], Depends(sent(Samples, megabytes=MB_OF_FEEDBACK))]
ToldOfQos = Annotated[QosFeedback, Depends(sent(QosFeedback, megabytes=1))]


@router.post(
    "/feedback",
    response_model=FeedbackAnswer,
    responses=UNUSABLE,
    openapi_extra=described(list[FeedbackSample] | FeedbackSample),
)
def take_feedback(caller: TheCaller, samples: Told, room: TheRoom) -> Response:
    """What was advised, and whether it went well; kept, watched for a drift, and learned from."""
    return told(room.feedback.take(samples))


@router.post(
    "/qos-feedback", response_model=QosFeedbackAnswer, responses=UNUSABLE, openapi_extra=described(QosFeedback)
)
def take_qos_feedback(caller: TheCaller, feedback: ToldOfQos, room: TheRoom) -> Response:
    """What service a UE really had after a handover: how sure a prediction for its kind must be from now on."""
    return told(room.feedback.qos(feedback))
