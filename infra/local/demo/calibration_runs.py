"""Where MLflow shows the calibration session's run."""

import time
from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Console

PATIENCE = 60.0  # seconds


def tell(mlflow: str | None, state: Callable[[], dict[str, Any]], console: Console) -> None:
    """Once all of the session is logged. Says so where there is no MLflow, or where it takes too long."""
    if not mlflow:
        console.print("There is no MLflow: the numbers live in the session's report alone.")
        return
    session = logged(state)
    if "tracking" in session["pending"]:
        console.print("Its run is not complete yet: it is logged as soon as MLflow lets it.")
        return
    with httpx.Client(base_url=f"{mlflow}/api/2.0/mlflow/", timeout=30) as api:
        run = run_of(api, session["session_id"])
        info, metrics = run["info"], run["data"]["metrics"]
        files = api.get("artifacts/list", params={"run_id": info["run_id"]}).raise_for_status().json()["files"]
    names = ", ".join(sorted(one["path"] for one in files))
    console.print(
        f"MLflow: run {info['run_name']} is {info['status']}, with {len(metrics)} metrics and {names}. While the "
        f"collection runs: {mlflow}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}"
    )


def logged(state: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while "tracking" in (session := state())["pending"] and time.monotonic() < deadline:
        time.sleep(0.5)
    return session


def run_of(api: httpx.Client, session_id: str) -> dict[str, Any]:
    """The run with the session's tag, wherever it is."""
    known = api.post("experiments/search", json={"max_results": 1000}).raise_for_status().json()["experiments"]
    wanted = {
        "experiment_ids": [one["experiment_id"] for one in known],
        "filter": f"tags.`quintet.session` = '{session_id}'",
    }
    found = api.post("runs/search", json=wanted).raise_for_status().json()["runs"]
    return dict(found[0])
