"""MLflow's tracking server, by its own client over HTTP: what all records of runs there share."""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from quintet.kernel.clock import Clock, SystemClock
from quintet.kernel.errors import Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS = 5
"""How long an answer may take."""

LONGEST_VALUE, LONGEST_TAG, LONGEST_NAME = 500, 5000, 250
AT_ONCE = 100
"""Parameters in a request."""


class MlflowTracking:
    """`uri` is the tracking server's."""

    retries: ClassVar[int] = 1

    def __init__(self, uri: str, clock: Clock | None = None) -> None:
        self._uri = uri
        self._clock = clock or SystemClock()

    def params(self, run: str, params: Mapping[str, str]) -> None:
        """Those that the run does not have yet: MLflow lets none be changed."""
        from mlflow.entities import Param

        with self._answered():
            known = self._client.get_run(run).data.params
            named = {allowed(key): value[:LONGEST_VALUE] for key, value in params.items()}
            new = [Param(key, value) for key, value in named.items() if key not in known]
            for start in range(0, len(new), AT_ONCE):
                self._client.log_batch(run, params=new[start : start + AT_ONCE])

    def close(self, run: str, ending: str, tags: Mapping[str, str]) -> None:
        """SCHEDULED: somebody else goes on with it."""
        with self._answered():
            for key, value in tags.items():
                self._client.set_tag(run, allowed(key), value[:LONGEST_TAG])
            if ending == "SCHEDULED":
                self._client.update_run(run, status=ending)
            else:
                self._client.set_terminated(run, ending, self._milliseconds())

    def _run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """The id of the experiment's run that has these tags, now running: a known one, else a new one."""
        known = self._client.search_runs([experiment], _having(tags), max_results=1)
        if known:
            self._client.update_run(known[0].info.run_id, status="RUNNING")
            return str(known[0].info.run_id)
        return str(self._client.create_run(experiment, tags=_searchable(tags), run_name=name).info.run_id)

    def _experiment_called(self, name: str) -> str:
        """Its id; made if there is none. One that was deleted is restored: what was in it is still wanted there."""
        from mlflow import MlflowException

        known = self._client.get_experiment_by_name(name)
        if known is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another was quicker
                known = self._client.get_experiment_by_name(name)
                if known is None:
                    raise
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _milliseconds(self) -> int:
        return round(self._clock.now().timestamp() * 1000)

    def _answered(self) -> AbstractContextManager[None]:
        return translated()

    @cached_property
    def _client(self) -> "MlflowClient":
        from mlflow import MlflowClient
        from mlflow import environment_variables as settings

        chosen: dict[Any, Any] = {
            settings.MLFLOW_HTTP_REQUEST_TIMEOUT: SECONDS,
            settings.MLFLOW_HTTP_REQUEST_MAX_RETRIES: self.retries,
            settings.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT: True,
        }
        for setting, value in chosen.items():
            setting.set(value)
        return MlflowClient(self._uri, self._uri)


def allowed(name: str) -> str:
    """A parameter's, metric's or tag's name as MLflow takes it.

    >>> allowed("lr#0")
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
    """Whatever goes wrong there is Unavailable."""
    from mlflow import MlflowException
    from requests import RequestException

    try:
        yield
    except (MlflowException, RequestException, OSError) as error:
        raise Unavailable("MLflow does not answer as it should", reason=str(error)[:500]) from error
