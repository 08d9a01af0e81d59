"""What a record of runs promises, held by MLflow's own server and by the double of the trainer's tests."""

import time
from pathlib import Path
from typing import Any

import pytest

from quintet.adapters.mlflow_runs import MlflowRuns
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import new_id

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::pydantic.PydanticDeprecatedSince20"
    ),
]


@pytest.fixture
def runs(mlflow_uri: str) -> MlflowRuns:
    return MlflowRuns(mlflow_uri, f"contract-{new_id()}")


def look(runs: MlflowRuns, run: str) -> Any:
    return runs._client.get_run(run)


def test_a_run_is_found_again_by_its_tags(runs: MlflowRuns) -> None:
    tags = {"quintet.job": "broker#abc'12 3", "quintet.run": "1"}
    run = runs.open("abc", tags)
    assert runs.open("abc", tags) == run
    assert runs.open("abc", tags | {"quintet.run": "2"}) != run
    assert look(runs, run).info.status == "RUNNING"


def test_what_was_asked_for_can_be_said_twice(runs: MlflowRuns) -> None:
    run = runs.open("abc", {"quintet.job": "1"})
    runs.params(run, {"model": "yolov8n", "dataset.name": "shapes"})
    runs.params(run, {"model": "another", "device": "cpu", "long": "x" * 9999, "lr#?": "1"})
    known = look(runs, run).data.params
    assert known["model"] == "yolov8n"
    assert known["device"] == "cpu"
    assert len(known["long"]) == 500
    assert known["lr__"] == "1"


def test_metrics_have_a_step_an_epoch(runs: MlflowRuns) -> None:
    run = runs.open("abc", {"quintet.job": "1"})
    for epoch in (1, 2):
        runs.metrics(run, epoch, {"train_loss": 3.0 / epoch, "mAP50": epoch / 10})
    history = runs._client.get_metric_history(run, "train_loss")
    assert [(one.step, one.value) for one in history] == [(1, 3.0), (2, 1.5)]


def test_files_are_kept(runs: MlflowRuns, tmp_path: Path) -> None:
    run = runs.open("abc", {"quintet.job": "1"})
    (tmp_path / "results.csv").write_text("epoch\n1\n")
    runs.artifact(run, tmp_path / "results.csv")
    assert [file.path for file in runs._client.list_artifacts(run)] == ["results.csv"]


@pytest.mark.parametrize("ending", ["FINISHED", "FAILED", "KILLED", "SCHEDULED"])
def test_a_run_ends_and_may_go_on(runs: MlflowRuns, ending: Any) -> None:
    run = runs.open("abc", {"quintet.job": "1"})
    runs.close(run, ending, {"quintet.model": "models/a.pt"})
    found = look(runs, run)
    assert (found.info.status, found.data.tags["quintet.model"]) == (ending, "models/a.pt")
    assert runs.open("abc", {"quintet.job": "1"}) == run
    assert look(runs, run).info.status == "RUNNING"


def test_a_server_that_is_not_there_is_unavailable_soon() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable):
        MlflowRuns("http://127.0.0.1:9", "nowhere").open("abc", {})
    assert time.monotonic() - started < 20
