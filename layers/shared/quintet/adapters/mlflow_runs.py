"""Runs in MLflow, by its own client over HTTP.

Whatever goes wrong there is Unavailable: a record is no reason to fail.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS = 5
"""How long an answer may take."""

LONGEST_VALUE, LONGEST_NAME = 500, 250
AT_ONCE = 100
"""Parameters in a request."""


class MlflowRuns:
    """`uri` is the tracking server's; runs stand in `experiment`, which is made with the first one."""

    def __init__(self, uri: str, experiment: str, clock: Clock | None = None) -> None:
        self._uri = uri
        self._name = experiment
        self._clock = clock or SystemClock()

    def open(self, name: str, tags: Mapping[str, str]) -> str:
        """The id of the run that has these tags, now running: a known one, else a new one called `name`."""
        with translated():
            known = self._client.search_runs([self._experiment], _having(tags), max_results=1)
            if known:
                self._client.update_run(known[0].info.run_id, status="RUNNING")
                return str(known[0].info.run_id)
            made = self._client.create_run(self._experiment, tags=_searchable(tags), run_name=name)
            return str(made.info.run_id)

    def params(self, run: str, params: Mapping[str, str]) -> None:
        """Those that the run does not have yet: MLflow lets none be changed."""
        from mlflow.entities import Param

        with translated():
            known = self._client.get_run(run).data.params
            named = {_allowed(key): value[:LONGEST_VALUE] for key, value in params.items()}
            new = [Param(key, value) for key, value in named.items() if key not in known]
            for start in range(0, len(new), AT_ONCE):
                self._client.log_batch(run, params=new[start : start + AT_ONCE])

    def metrics(self, run: str, epoch: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        moment = self._milliseconds()
        with translated():
            self._client.log_batch(run, metrics=[Metric(key, value, moment, epoch) for key, value in metrics.items()])

    def artifact(self, run: str, path: Path) -> None:
        with translated():
            self._client.log_artifact(run, str(path))

    def close(self, run: str, ending: str, tags: Mapping[str, str]) -> None:
        with translated():
            for key, value in tags.items():
                self._client.set_tag(run, key, value)
            if ending == "SCHEDULED":
                self._client.update_run(run, status=ending)
            else:
                self._client.set_terminated(run, ending, self._milliseconds())

    def _milliseconds(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient
        from mlflow import environment_variables as settings

        chosen: dict[Any, Any] = {
            settings.MLFLOW_HTTP_REQUEST_TIMEOUT: SECONDS,
            settings.MLFLOW_HTTP_REQUEST_MAX_RETRIES: 1,
            settings.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: True,
        }
        for setting, value in chosen.items():
            setting.set(value)
        return MlflowClient(self._uri, self._uri)

    @cached_property
    def _experiment(self) -> str:
        from mlflow import MlflowException

        known = self._client.get_experiment_by_name(self._name)
        if known is None:
            try:
                return str(self._client.create_experiment(self._name))
            except MlflowException:  # another task was quicker
                known = self._client.get_experiment_by_name(self._name)
                if known is None:
                    raise
        return str(known.experiment_id)


def _allowed(name: str) -> str:
    """A parameter's name as MLflow takes it.

    >>> _allowed("lr#0")
    'lr_0'
    """
    return re.sub(r"[^\w\-./ ]", "_", name)[:LONGEST_NAME]


def _having(tags: Mapping[str, str]) -> str:
    return " and ".join(f"tags.`{key}` = '{value}'" for key, value in _searchable(tags).items())


def _searchable(tags: Mapping[str, str]) -> dict[str, str]:
    """MLflow's search knows no way to write a quote within quotes."""
    return {key: value.replace("'", "%27") for key, value in tags.items()}


@contextmanager
def translated() -> Iterator[None]:
    from mlflow import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        raise Unavailable("MLflow does not answer as it should", reason=str(error)[:500]) from error
