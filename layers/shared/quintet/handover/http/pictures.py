"""Pictures: the map of what the model would choose, and the way of a UE."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from quintet.entry.identity import CallerFirst
from quintet.handover.http.room import UNUSABLE, Responses, TheCaller, TheRoom, described, sent
from quintet.handover.messages import TrajectoryPoint

if TYPE_CHECKING:  # only the function that draws needs what a picture is made of
    from quintet.handover.pictures import Picture

PNG = "image/png"

router = APIRouter(prefix="/api/visualization", tags=["pictures"], route_class=CallerFirst)

KEY_HEADER = "X-Picture-Key"
DRAWN: Responses = {
    200: {
        "content": {PNG: {"schema": {"type": "string", "format": "binary"}}},
        "description": "The picture.",
        "headers": {KEY_HEADER: {"description": "Where a copy is kept in the bucket.", "schema": {"type": "string"}}},
    }
}

Points = Annotated[list[TrajectoryPoint], Field(min_length=1, max_length=20_000)]
TheWay = Annotated[list[TrajectoryPoint], Depends(sent(Points, megabytes=5))]


@router.get("/coverage-map", response_class=Response, responses=DRAWN)
def draw_coverage(caller: TheCaller, room: TheRoom) -> Response:
    """Which antenna the model would choose on a grid over the antennas, and how strong the strongest is there."""
    return shown(room.pictures.coverage_map())


@router.post("/trajectory", response_class=Response, responses=DRAWN | UNUSABLE, openapi_extra=described(Points))
def draw_trajectory(caller: TheCaller, points: TheWay, room: TheRoom) -> Response:
    """The way of one UE, coloured by the cells that served it, with its handovers. Where it went is kept for a week."""
    return shown(room.pictures.trajectory(points))


def shown(picture: "Picture") -> Response:
    return Response(picture.png, media_type=PNG, headers={KEY_HEADER: picture.key})
