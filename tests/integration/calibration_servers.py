"""What MLflow's server has of a session, read as anybody reads it."""

import io
from typing import Any

import httpx
import pyarrow.parquet

Run = dict[str, Any]


def api(mlflow: str, path: str, **body: object) -> Run:
    answer = httpx.post(f"{mlflow}/api/2.0/mlflow/{path}", json=body, timeout=30)
    return dict(answer.raise_for_status().json())


def the_run(mlflow: str, experiment: str) -> Run:
    answer = httpx.get(
        f"{mlflow}/api/2.0/mlflow/experiments/get-by-name", params={"experiment_name": experiment}, timeout=30
    )
    known = answer.raise_for_status().json()["experiment"]
    runs = api(mlflow, "runs/search", experiment_ids=[known["experiment_id"]])["runs"]
    assert len(runs) == 1
    return dict(runs[0])


def metric(mlflow: str, run: Run, key: str) -> dict[int, float]:
    """Value by step; a step that was logged twice would be seen."""
    query = {"run_id": run["info"]["run_id"], "metric_key": key}
    answer = httpx.get(f"{mlflow}/api/2.0/mlflow/metrics/get-history", params=query, timeout=30).raise_for_status()
    found = answer.json().get("metrics", [])
    assert len({one.get("step", 0) for one in found}) == len(found)
    return {int(one.get("step", 0)): one["value"] for one in found}


def artifacts(mlflow: str, run: Run) -> set[str]:
    """The names of files and folders at the top."""
    query = {"run_id": run["info"]["run_id"]}
    answer = httpx.get(f"{mlflow}/api/2.0/mlflow/artifacts/list", params=query, timeout=30).raise_for_status()
    return {one["path"] for one in answer.json()["files"]}


def download(mlflow: str, run: Run, path: str) -> bytes:
    """Through the server, as its artifacts' address says."""
    folder = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    return (
        httpx.get(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts/{folder}/{path}", timeout=30).raise_for_status().content
    )


def parquet_of(mlflow: str, run: Run, path: str) -> pyarrow.Table:
    return pyarrow.parquet.read_table(io.BytesIO(download(mlflow, run, path)))
