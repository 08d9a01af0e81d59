"""A log as lines of text, on standard output and in a file, for those who read the original services' logs.

    2026-01-02 03:04:05,678 INFO [aggregation-api] [computations-orchestrator] request method=GET route=/ status=200

A record is one line, whatever it quotes. What a structured log has in fields of its own follows the message.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from quintet.kernel.log import logger
from quintet.kernel.text import printable

FILE_BYTES = 50 * 1024 * 1024
OLDER_FILES = 5
_NOT_REPEATED = {"timestamp", "level", "name", "message", "service", "location", "stack_trace", "sampling_rate"}


class TextFormatter(LambdaPowertoolsFormatter):
    """`timestamp LEVEL [component] [service] message field=value …`, in UTC; the component is the logger's name."""

    def __init__(self, service: str) -> None:
        super().__init__(log_record_order=["timestamp", "level", "name", "message"], utc=True)
        self._service = service
        self.append_keys(name="%(name)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 -- logging's name
        """As `logging` writes it where nobody asks for another form."""
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(record.created))},{int(record.msecs):03d}"

    def serialize(self, log: Any) -> str:
        fields = [f"{printable(name)}={_shown(value)}" for name, value in log.items() if name not in _NOT_REPEATED]
        head = f"{log['timestamp']} {log['level']} [{log['name']}] [{self._service}] {_shown(str(log['message']))}"
        return " ".join([head, *fields])


class SharedFile(RotatingFileHandler):
    """A file that several processes write to: whoever finds it full, alone, begins the next; the others follow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=OLDER_FILES, encoding="utf-8")
        self._lock_path = path.with_name(f".{path.name}.lock")

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            self._follow()
        super().emit(record)

    def doRollover(self) -> None:  # noqa: N802 -- logging's name
        with self._lock_path.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if self._is_current():
                super().doRollover()
        self._follow()

    def _follow(self) -> None:
        """Open the file anew where another process has moved it."""
        if not self._is_current():
            if self.stream is not None:
                self.stream.close()
            self.stream = self._open()

    def _is_current(self) -> bool:
        try:
            there = Path(self.baseFilename).stat()
        except FileNotFoundError:
            return False
        return self.stream is not None and os.path.samestat(there, os.fstat(self.stream.fileno()))


def write_text(services: Sequence[str], folder: str, *, name: str) -> Callable[[], None]:
    """From now on the logs of `services` are text under `name`, also in `folder`/`name`.log; gives the way back.

    A folder that can't be written to costs the file, and a warning: nothing else.
    """
    formatter = TextFormatter(name)
    logs = [logger(service) for service in services]
    before = [log.registered_handler.formatter for log in logs]
    for log in logs:
        log.registered_handler.setFormatter(formatter)
    _begin_file(logs, Path(folder), name, formatter)

    def back() -> None:
        for log, known in zip(logs, before, strict=True):
            log.registered_handler.setFormatter(known)
            _close(log)

    return back


def write_also(services: Sequence[str], file: str) -> Callable[[], None]:
    """From now on the lines of the logs of `services` are in `file`, too; gives the way back.

    A file that can't be written to costs a warning: nothing else.
    """
    logs, path = [logger(service) for service in services], Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files = [SharedFile(path) for _ in logs]
    except OSError as error:
        logs[0].warning(f"{path} can't be written to: {error.strerror}; the log is on standard output alone")
        return lambda: None
    for log, own in zip(logs, files, strict=True):
        own.setFormatter(log.registered_handler.formatter)
        _close(log)
        log.addHandler(own)

    def back() -> None:
        for log in logs:
            _close(log)

    return back


def _begin_file(logs: Sequence[Logger], folder: Path, name: str, formatter: TextFormatter) -> None:
    path = folder / f"{name}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = SharedFile(path)
    except OSError as error:
        logs[0].warning(f"File logging disabled: {path} can't be written to: {error.strerror}")
        logs[0].info(f"=== {name.upper()} SERVICE STARTED (Console Only) ===")
        return
    file.setFormatter(formatter)
    for log in logs:
        _close(log)
        log.addHandler(file)
    logs[0].info(f"=== {name.upper()} SERVICE STARTED ===")
    logs[0].info(f"Logging to: {path.resolve()} (all levels: INFO, WARNING, ERROR)")


def _close(log: Logger) -> None:
    """Its file, where it writes to one."""
    known = logging.getLogger(log.service)
    for handler in [handler for handler in known.handlers if isinstance(handler, SharedFile)]:
        known.removeHandler(handler)
        handler.close()


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return printable(text.replace("\n", "\\n"))
