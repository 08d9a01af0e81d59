"""The handover room: a drive past three antennas, its map, and feedback that has the model trained anew."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from infra.local.demo.handover_drive import drive
from infra.local.endpoints import Endpoints
from infra.local.errors import CloudError
from quintet.handover.messages import TrainingSample

PATIENCE, FAILING = 240, 60
"""Seconds for a retraining; feedbacks of handovers that went wrong, more than the window of the drift rule."""

SHOWN = ("ml_prediction_requests_total", "ml_antenna_predictions_total", "ml_retrainings_queued_total")


def show(endpoints: Endpoints, pictures: Path, console: Console) -> None:
    known = endpoints.credentials["handover"]
    with httpx.Client(base_url=str(endpoints.rooms["handover"].http), timeout=60) as http:
        login = {"username": known["username"], "password": known["password"]}
        token = body_of(http.post("/api/login", json=login))["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        before = tell_model(http, console)
        way = drive()
        tell_drive(http, way, console)
        draw(http, way, pictures, console)
        learn(http, way, before, console)
        tell_metrics(http, known, console)


def body_of(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise CloudError(f"The handover room answered {answer.status_code}: {answer.text}", "See `make logs`.")
    return answer.json()


def tell_model(http: httpx.Client, console: Console) -> str:
    """The version that answers."""
    known = body_of(http.get("/api/model-health"))["metadata"]
    console.print(f"  model [bold]{known['model_type']} {known['version']}[/] answers")
    return str(known["version"])


def tell_drive(http: httpx.Client, way: Sequence[TrainingSample], console: Console) -> None:
    shown = Table("second", "served by", "better", "sure", "why", title="a drive past three antennas: what is advised")
    for moment, advice in advised(http, way):
        if advice["predicted_antenna"] != moment.connected_to:
            second = f"{float(moment.timestamp or 0) - float(way[0].timestamp or 0):.0f}"
            sure = f"{advice['confidence']:.2f}"
            shown.add_row(second, moment.connected_to, advice["predicted_antenna"], sure, advice["reason"])
    console.print(shown)


def advised(http: httpx.Client, way: Sequence[TrainingSample]) -> Iterator[tuple[TrainingSample, dict[str, Any]]]:
    for moment in way:
        asked = moment.model_dump(mode="json", exclude={"optimal_antenna"}, exclude_none=True)
        yield moment, body_of(http.post("/api/predict", json=asked))


def draw(http: httpx.Client, way: Sequence[TrainingSample], pictures: Path, console: Console) -> None:
    points = [one.model_dump(mode="json", include={"latitude", "longitude", "connected_to"}) for one in way]
    for name, answer in (
        ("handover-map.png", http.get("/api/visualization/coverage-map")),
        ("handover-drive.png", http.post("/api/visualization/trajectory", json=points)),
    ):
        if answer.is_error:
            body_of(answer)
        (pictures / name).write_bytes(answer.content)
        console.print(f"  drawn: {pictures / name}")


def learn(http: httpx.Client, way: Sequence[TrainingSample], before: str, console: Console) -> None:
    failed = [{**one.model_dump(mode="json", exclude_none=True), "success": False} for one in way] * 2
    told = body_of(http.post("/api/feedback", json=failed[:FAILING]))
    console.print(f"  {told['samples']} handovers went wrong; a drift has a retraining queued: {told['retrained']}")
    with console.status("a new model is trained, and judged by feedback that it did not see"):
        training = ended(http)
    known = body_of(http.get("/api/model-health"))
    console.print(f"  training {training['status']}: {training['reason']}")
    console.print(f"  answers now: {known['metadata']['version']} (before: {before})")


def ended(http: httpx.Client) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        training = body_of(http.get("/api/model-health")).get("training") or {}
        if training.get("status") in {"done", "failed"}:
            return dict(training)
        time.sleep(1)
    raise CloudError(f"The retraining did not end within {PATIENCE} s.", "See `make logs`.")


def tell_metrics(http: httpx.Client, known: Mapping[str, str], console: Console) -> None:
    answer = http.get("/metrics", headers={"Authorization": f"Bearer {known['metrics_api_key']}"})
    if answer.is_error:
        body_of(answer)
    for line in answer.text.splitlines():
        if line.startswith(SHOWN):
            console.print(f"  {line}", highlight=False)
