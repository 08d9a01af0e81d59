"""One Lambda execution environment: a folder, a process, and the Runtime API between."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quintet_localstack import bootstrap
from quintet_localstack.runtime_api import Event, Message, RuntimeApi

# The kernel's parent-death signal follows the thread that forked, so one thread that never ends forks them all.
FORK = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lambda-fork")


@dataclass(frozen=True)
class Recipe:
    """What a function version needs to run: `layers` is the merged /opt."""

    python: str
    handler: str
    runtime: str
    task: Path
    layers: Path

    def variables(self, given: dict[str, str], temp: Path) -> dict[str, str]:
        """The process's whole environment: Lambda's own order of import paths, its temp folder, `given` inside."""
        path = [self.task, self.layers / "python", self.layers / "python/lib" / self.runtime / "site-packages"]
        return {
            "PATH": f"{self.layers}/bin:{os.environ.get('PATH', os.defpath)}",
            "LANG": "en_US.UTF-8",
            "HOME": str(temp),
            "TMPDIR": str(temp),
            "PYTHONUNBUFFERED": "1",
            **given,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.runtime}",
            "LAMBDA_TASK_ROOT": str(self.task),
            "LD_LIBRARY_PATH": f"{self.task}:{self.task}/lib:{self.layers}/lib",
            "PYTHONPATH": os.pathsep.join([*map(str, path), *filter(None, [given.get("PYTHONPATH")])]),
        }


class InitError(Exception):
    """The process did not reach its first event; `payload` is the error as Lambda tells it (JSON)."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


@dataclass(frozen=True)
class Outcome:
    """`payload` (JSON) answered after `duration` milliseconds with `memory` MB at the peak."""

    payload: bytes
    failed: bool
    duration: float
    memory: int
    output: str


class Environment:
    def __init__(self, recipe: Recipe, given: dict[str, str]) -> None:
        self.recipe = recipe
        self.folder = Path(tempfile.mkdtemp(prefix="lambda-"))
        self.log = self.folder / "log"
        self.log.touch()
        temp = self.folder / "tmp"
        temp.mkdir()
        self.variables = recipe.variables(given, temp)
        self.read_to = 0
        self.process: Process | None = None

    def start(self) -> None:
        """Spawn and wait for the first request for an event; raises InitError."""
        process = self.process = Process(self.recipe, self.variables, self.log)
        message = process.api.receive(timeout=None)
        if message.kind != "ready":
            self.discard()
            raise InitError(message.body if message.kind == "error" else exit_during_init(message, self.output()))

    def invoke(self, event: Event) -> Outcome:
        """Lambda's semantics: one event at a time; a crash or a time-out costs the environment its process."""
        process = self.running()
        start = time.perf_counter()
        message = process.ask(event)
        duration = (time.perf_counter() - start) * 1000
        memory = process.peak_memory()
        if message.kind in ("timeout", "exit"):
            self.discard()
        return Outcome(
            payload=payload(message, event),
            failed=message.kind != "response",
            duration=duration,
            memory=memory,
            output=self.output(),
        )

    def running(self) -> "Process":
        if self.process is not None and not self.process.alive():
            self.discard()
        if self.process is None:
            self.start()
        assert self.process is not None
        return self.process

    def discard(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def close(self) -> None:
        self.discard()
        shutil.rmtree(self.folder, ignore_errors=True)

    def output(self) -> str:
        """What the process printed since the last call."""
        with self.log.open("rb") as file:
            file.seek(self.read_to)
            text = file.read().decode(errors="replace")
            self.read_to = file.tell()
        return text if not text or text.endswith("\n") else text + "\n"


class Process:
    def __init__(self, recipe: Recipe, variables: dict[str, str], log: Path) -> None:
        self.api = RuntimeApi()
        command = [recipe.python, bootstrap.__file__, recipe.handler]
        variables = {
            **variables,
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            bootstrap.PARENT: str(os.getpid()),
        }
        self.popen = FORK.submit(spawn, command, recipe.task, variables, log).result()
        threading.Thread(target=self.report_exit, daemon=True).start()

    def report_exit(self) -> None:
        self.api.messages.put(Message("exit", body=str(self.popen.wait()).encode()))

    def ask(self, event: Event) -> Message:
        """The answer to this event, `exit` or `timeout`; whatever else is still in the pipe is stale."""
        deadline = time.monotonic() + event.timeout
        self.api.send(event)
        while True:
            message = self.api.receive(max(deadline - time.monotonic(), 0))
            if message.kind in ("timeout", "exit") or message.request_id == event.request_id:
                return message

    def alive(self) -> bool:
        return self.popen.poll() is None

    def peak_memory(self) -> int:
        try:
            status = Path(f"/proc/{self.popen.pid}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) // 1024
        except (OSError, IndexError):
            return 0

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self.api.close()


def spawn(command: list[str], folder: Path, variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def payload(message: Message, event: Event) -> bytes:
    prefix = f"RequestId: {event.request_id} Error:"
    if message.kind == "timeout":
        return error("Sandbox.Timedout", f"{prefix} Task timed out after {event.timeout:.2f} seconds")
    if message.kind == "exit":
        return error("Runtime.ExitError", f"{prefix} Runtime exited with error: exit status {message.body.decode()}")
    return message.body


def exit_during_init(message: Message, output: str) -> bytes:
    status = message.body.decode() or "unknown"
    return error("Runtime.ExitError", f"Runtime exited during init with status {status}: {output[-500:]}")


def error(kind: str, text: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": text}).encode()
