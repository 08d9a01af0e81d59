"""Experiments of many at once in MLflow, by its own client over HTTP.

Nothing is asked for twice here: who calls knows better when to ask again. A server that is away is Unavailable; one
that answers and refuses is a Conflict.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import ClassVar, Protocol

from quintet.adapters.mlflow_tracking import MlflowTracking, allowed, translated
from quintet.kernel.clock import Clock
from quintet.kernel.errors import Conflict, Unavailable

MOST = 1000
"""Metrics in a request."""

AWAY = {401, 403, 408, 429}
"""Refusals that are meant for everyone, not for what was asked."""


class Measured(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def step(self) -> int: ...
    @property
    def milliseconds(self) -> int: ...


class MlflowExperiments(MlflowTracking):
    """`uri` is the tracking server's; `scratch` is a folder for files on their way there, made when needed."""

    retries: ClassVar[int] = 0

    def __init__(self, uri: str, clock: Clock | None = None, *, scratch: str | None = None) -> None:
        super().__init__(uri, clock)
        self._scratch = scratch

    def open(self, experiment: str, run_name: str, tags: Mapping[str, str]) -> str:
        """The id of the experiment's run that has these tags, now running: a known one, else a new one."""
        with self._answered():
            return self._run(self._experiment_called(experiment), run_name, tags)

    def metrics(self, run: str, measurements: Sequence[Measured]) -> None:
        """MLflow keeps a measurement once, however often it comes with the same key, value, step and moment."""
        from mlflow.entities import Metric

        entities = [Metric(allowed(one.key), one.value, one.milliseconds, one.step) for one in measurements]
        with self._answered():
            for start in range(0, len(entities), MOST):
                self._client.log_batch(run, metrics=entities[start : start + MOST])

    def artifact(self, run: str, path: str, content: bytes) -> None:
        """In the place of what was there."""
        place = PurePosixPath(path)
        folder = None if place.parent == PurePosixPath() else str(place.parent)
        if self._scratch:
            Path(self._scratch).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="quintet-", dir=self._scratch) as scratch, self._answered():
            file = Path(scratch, place.name)
            file.write_bytes(content)
            self._client.log_artifact(run, str(file), folder)

    def _answered(self) -> AbstractContextManager[None]:
        return judged()


@contextmanager
def judged() -> Iterator[None]:
    try:
        with translated():
            yield
    except Unavailable as error:
        if _status(error.__cause__) in set(range(400, 500)) - AWAY:
            raise Conflict("MLflow refuses it", **error.details) from error
        raise


def _status(error: BaseException | None) -> int:
    """The HTTP status of what MLflow's client raised; 0 where there was no answer."""
    from mlflow import MlflowException
    from requests import HTTPError

    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    if isinstance(error, HTTPError) and error.response is not None:
        return error.response.status_code
    return 0
