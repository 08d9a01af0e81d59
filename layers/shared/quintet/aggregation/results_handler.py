"""Results sent to an API and saved as a file at once, as the original's handler does it.

It tries once and says how it went. What must arrive goes through the outbox (quintet.aggregation.delivery).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, TypedDict, Unpack

from quintet.aggregation.results import CONTENT_TYPES, Format, Result, ResultFiles, api_body, file_body, save
from quintet.aggregation.results_sending import SECONDS, send, shown
from quintet.aggregation.results_text import log_lines
from quintet.kernel.calls import Calls
from quintet.kernel.clock import Clock
from quintet.kernel.errors import InvalidInput, QuintetError

Level = Literal["info", "warning", "error"]
Say = Callable[[Level, str], None]
"""Where lines for people go."""

Features = Sequence[Mapping[str, Any]]


class Handled(TypedDict):
    """What was not attempted has not failed: it is True."""

    api_success: bool
    save_success: bool


class Options(TypedDict, total=False):
    """`timeout` in seconds; `file_format` is json or txt."""

    headers: Mapping[str, str] | None
    timeout: float
    file_format: str


@dataclass(frozen=True)
class Parts:
    """Who plays what for a handler; `sending` and `saving` are ENABLE_API_SENDING and ENABLE_FILESYSTEM_SAVING."""

    calls: Calls
    files: Callable[[str], ResultFiles]
    clock: Clock
    say: Say
    sending: bool = field(default=True)
    saving: bool = field(default=True)


class AggregatedResultsHandler:
    """`default_save_path` is a folder, or an s3:// prefix."""

    def __init__(self, default_save_path: str, parts: Parts) -> None:
        self.default_save_path = default_save_path
        self._parts = parts

    def send_and_save(
        self,
        aggregated_data: Features,
        job_id: str,
        client_list: Sequence[str],
        api_url: str | None = None,
        file_path: str | None = None,
        **options: Unpack[Options],
    ) -> Handled:
        """Send to `api_url` where there is one, and save, each as far as it is on. Neither: log the results."""
        handled: Handled = {"api_success": True, "save_success": True}
        if self._parts.sending and api_url:
            handled["api_success"] = self.send_to_api(
                aggregated_data, api_url, job_id, client_list, options.get("headers"), options.get("timeout", SECONDS)
            )
        elif self._parts.sending:
            self._say("warning", f"ENABLE_API_SENDING is on without a URL: job {job_id} is sent nowhere")
        if self._parts.saving:
            handled["save_success"] = self.save_to_filesystem(
                aggregated_data, job_id, client_list, file_path, options.get("file_format", "json")
            )
        if not self._parts.saving and not (self._parts.sending and api_url):
            self._log(aggregated_data, job_id, client_list)
        self._say("info", f"Job {job_id} handled - API: {handled['api_success']}, Save: {handled['save_success']}")
        return handled

    def send_to_api(
        self,
        aggregated_data: Features,
        api_url: str,
        job_id: str,
        client_list: Sequence[str],
        headers: Mapping[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> bool:
        """Whether the API took it."""
        try:
            result = self._result(aggregated_data, job_id, client_list)
            answer = send(self._parts.calls, api_url, api_body(result), headers or {}, seconds=timeout)
        except QuintetError as error:
            return self._failed(f"Results of job {job_id} not sent", error)
        self._say("info", f"Results of job {job_id} sent to the API: {answer.status} {shown(answer)}".rstrip())
        return True

    def save_to_filesystem(
        self,
        aggregated_data: Features,
        job_id: str,
        client_list: Sequence[str],
        file_path: str | None = None,
        file_format: str = "json",
    ) -> bool:
        """Whether it was saved: at `file_path` whatever stands there, else under a name of its own."""
        try:
            result = self._result(aggregated_data, job_id, client_list)
            address = self._saved(result, file_path, _known(file_format))
        except QuintetError as error:
            return self._failed(f"Results of job {job_id} not saved", error)
        self._say("info", f"Results of job {job_id} saved to: {address}")
        return True

    def _saved(self, result: Result, file_path: str | None, file_format: Format) -> str:
        if file_path is None:
            return save(self._parts.files(self.default_save_path), result, file_format)
        folder, name = _split(file_path)
        content = file_body(result, file_format, file_path)
        self._parts.files(folder).replace(name, content, content_type=CONTENT_TYPES[file_format])
        return file_path

    def _result(self, features: Features, job: str, clients: Sequence[str]) -> Result:
        if not features:
            raise InvalidInput("there are no results")
        return Result(str(job), self._parts.clock.now(), tuple(map(str, clients)), tuple(features))

    def _log(self, features: Features, job: str, clients: Sequence[str]) -> None:
        for line in log_lines(str(job), list(map(str, clients)), features):
            self._parts.say("info", line)

    def _failed(self, what: str, error: QuintetError) -> bool:
        details = ", ".join(f"{name}: {value}" for name, value in error.details.items())
        self._say("error", f"{what}: {error.message}{f' ({details})' if details else ''}")
        return False

    def _say(self, level: Level, line: str) -> None:
        self._parts.say(level, f"[ResultsHandler] {line}")


def _known(file_format: str) -> Format:
    """Raises InvalidInput."""
    for known in CONTENT_TYPES:
        if file_format.lower() == known:
            return known
    raise InvalidInput(f"file_format must be json or txt, is {file_format!r}")


def _split(file_path: str) -> tuple[str, str]:
    """Folder and name; a path would lose one of the two slashes of s3://."""
    if file_path.startswith("s3://"):
        folder, _, name = file_path.rpartition("/")
        return folder, name
    path = PurePath(file_path)
    return str(path.parent), path.name
