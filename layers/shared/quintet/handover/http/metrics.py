"""What the room counts and observes, for Prometheus."""

from fastapi import APIRouter, Response

from quintet.handover.http.room import Responses, TheRoom

router = APIRouter(tags=["metrics"])

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PAGE: Responses = {
    200: {"description": "All metrics, as Prometheus reads them.", "content": {"text/plain": {}}},
    503: {"description": "The sums over all processes can't be read just now: the scrape has failed."},
}


@router.get("/metrics", response_class=Response, responses=PAGE)
def tell(room: TheRoom) -> Response:
    """Sums over all processes of the room, the active model, and the load of the process that answers."""
    return Response(room.scrape(), headers={"content-type": TEXT})
