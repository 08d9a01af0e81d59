"""Runs in MLflow, by its own client over HTTP.

Whatever goes wrong there is Unavailable: a record is no reason to fail.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from quintet.adapters.mlflow_tracking import MlflowTracking
from quintet.kernel.clock import Clock


class MlflowRuns(MlflowTracking):
    """`uri` is the tracking server's; runs stand in `experiment`, which is made with the first one."""

    def __init__(self, uri: str, experiment: str, clock: Clock | None = None) -> None:
        super().__init__(uri, clock)
        self._name = experiment

    def open(self, name: str, tags: Mapping[str, str]) -> str:
        """The id of the run that has these tags, now running: a known one, else a new one called `name`."""
        with self._answered():
            return self._run(self._experiment, name, tags)

    def metrics(self, run: str, epoch: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        moment = self._milliseconds()
        with self._answered():
            self._client.log_batch(run, metrics=[Metric(key, value, moment, epoch) for key, value in metrics.items()])

    def artifact(self, run: str, path: Path) -> None:
        with self._answered():
            self._client.log_artifact(run, str(path))

    @cached_property
    def _experiment(self) -> str:
        return self._experiment_called(self._name)
