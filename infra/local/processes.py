"""The processes that a cloud started, each known by pid and start time, so that a reused pid is never taken for one."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.local.folder import Folder, read_json, write_json

# Every process of a cloud carries its folder in this variable, so that one whose record was lost is still found.
MARK = "QUINTET_LOCAL_CLOUD"
SAME_START = 1.0  # seconds: the clock that start times are computed from is adjusted now and then


@dataclass(frozen=True)
class Record:
    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The living process, or None where it ended or its pid belongs to another."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Processes:
    folder: Folder

    @property
    def mark(self) -> str:
        return str(self.folder.path.resolve())

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None
    ) -> Record:
        """Start in a session of its own, so that Ctrl-C reaches `up` alone; output goes to logs/<name>.log."""
        self.folder.logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as output:
            child = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env={**env, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # it outlives this command on purpose: Popen need not warn
        record = Record(name, child.pid, psutil.Process(child.pid).create_time())
        write_json(self.folder.records / f"{name}.json", asdict(record))
        return record

    def log(self, name: str) -> Path:
        return self.folder.logs / f"{name}.log"

    def records(self) -> dict[str, Record]:
        found = (read_json(path) for path in sorted(self.folder.records.glob("*.json")))
        return {value["name"]: Record(**value) for value in found if value}

    def alive(self, name: str) -> bool:
        record = self.records().get(name)
        return record is not None and record.process() is not None

    def stop(self, *names: str) -> None:
        chosen = [record for name, record in self.records().items() if name in names]
        end(process for record in chosen if (process := record.process()))
        for record in chosen:
            (self.folder.records / f"{record.name}.json").unlink(missing_ok=True)

    def stop_all(self) -> None:
        self.stop(*self.records())
        self.stop_strays()

    def stop_strays(self) -> None:
        """End what carries our mark but has no record: a start that was killed half-way left it."""
        known = family(record.process() for record in self.records().values())
        end(process for process in marked(self.mark) if process.pid not in known)


def family(processes: Iterator[psutil.Process | None]) -> set[int]:
    """The pids of the processes and of all that descend from them."""
    alive = [process for process in processes if process is not None]
    return {member.pid for process in alive for member in [process, *descendants(process)]}


def descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process


def end(processes: Iterator[psutil.Process], patience: float = 3.0) -> None:
    """Ask politely, wait `patience` seconds, then kill them and whatever they had started."""
    asked = list(processes)
    members = {member.pid: member for process in asked for member in [process, *descendants(process)]}
    for process in asked:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(list(members.values()), timeout=patience if asked else 0)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=patience)
