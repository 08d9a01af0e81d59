"""The handover room over HTTP: the same app in every function, each with the layers that its own routes need."""

from collections.abc import Callable

from fastapi import FastAPI, Request

from quintet.entry.http import HttpRoom, http_app
from quintet.entry.identity import BEARER
from quintet.entry.manners import Admission, Manners
from quintet.handover.http import (
    breakers,
    collecting,
    feedback,
    login,
    metrics,
    metrics_access,
    models,
    pictures,
    predicting,
    training,
)
from quintet.handover.http.errors import ERRORS, Problem, error_body, tell_failed_training
from quintet.handover.http.room import address_of, describe_bodies, the_room
from quintet.handover.wiring import handover

VERSION = "0.1.0"
FREE = frozenset({"/api/health", "/api/model-health", "/api/login"})
"""Neither a token nor the rate limit stands before these."""

TOO_MANY = {
    "429": {
        "description": "Too many requests from this address.",
        "headers": {"Retry-After": {"description": "Seconds until one is let in.", "schema": {"type": "string"}}},
    }
}


def admit(request: Request) -> None:
    """Raises TooManyRequests."""
    the_room(request).pace.check(address_of(request))


def handover_app(room: Callable[[], HttpRoom]) -> FastAPI:
    app = http_app(
        "ML Service",
        room=room,
        version=VERSION,
        description="Predicts the cell that should serve a moving phone next, and learns from how that turns out.",
        error_body=error_body,
        error_model=Problem,
        manners=Manners(
            errors=ERRORS,
            credentials=BEARER,
            admission=Admission(admit, FREE, TOO_MANY),
            deferred=predicting.DEFERRED,
            describe=describe_bodies,
        ),
    )
    # routes are looked for in this order: first what is asked most
    for part in (predicting, login, training, models, collecting, feedback, pictures, breakers, metrics_access):
        app.include_router(part.router)
    app.include_router(metrics.router, dependencies=metrics_access.KNOWN_READER, responses=metrics_access.REFUSED)
    tell_failed_training(app)
    return app


app = handover_app(handover)
