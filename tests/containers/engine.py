"""A Docker engine: the one that answers, else a private one, started by hand and stopped again."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.progress import Progress

START_SECONDS = 30.0
UPDATE = ("apt-get", "update", "-qq")
INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io")
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
WITHOUT_NETFILTER = ("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")


class NoEngine(Exception):
    """There is none and none can be started; the message says why."""


@dataclass(frozen=True)
class Engine:
    """`host` is a DOCKER_HOST, empty for the one that docker finds by itself."""

    host: str = ""

    @property
    def variables(self) -> dict[str, str]:
        return {**os.environ, **({"DOCKER_HOST": self.host} if self.host else {})}

    def docker(self, *arguments: str | Path, timeout: float = 300) -> str | None:
        """Standard output, or None where docker is absent or fails."""
        try:
            done = subprocess.run(
                ["docker", *arguments],
                env=self.variables,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def answers(self) -> bool:
        return bool(self.docker("info", "--format", "{{.ServerVersion}}", timeout=20))


@contextmanager
def engine(state: Path, progress: Progress) -> Iterator[Engine]:
    """Raises NoEngine. What was there before is left running; the images of a private one go with it."""
    if (found := Engine()).answers():
        yield found
        return
    dockerd = daemon(progress)
    with progress.step("Starting a Docker engine"):
        process, started = start(dockerd, state)
    try:
        yield started
    finally:
        stop(process)
        shutil.rmtree(state / "data", ignore_errors=True)


def daemon(progress: Progress) -> str:
    """The program `dockerd`, installed from Debian where that may be done. Raises NoEngine."""
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers, and only root may start one")
    if (found := shutil.which("dockerd")) and shutil.which("docker"):
        return found
    if not shutil.which("apt-get"):
        raise NoEngine("no Docker engine answers, and there is neither dockerd nor apt-get to install it")
    with progress.step("Installing docker.io"):
        if not succeeds(INSTALL) and not (succeeds(UPDATE) and succeeds(INSTALL)):
            raise NoEngine("no Docker engine answers, and apt-get can't install docker.io")
    return shutil.which("dockerd") or "/usr/sbin/dockerd"


def succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, check=False).returncode == 0


def start(dockerd: str, state: Path) -> tuple[subprocess.Popen[bytes], Engine]:
    """No iptables and no forwarding: nothing of the machine's network is changed. Raises NoEngine."""
    state.mkdir(parents=True, exist_ok=True)
    (state / "dockerd.pid").unlink(missing_ok=True)
    made = Engine(f"unix://{state}/docker.sock")
    places = ("--data-root", state / "data", "--exec-root", state / "exec", "--pidfile", state / "dockerd.pid")
    with (state / "dockerd.log").open("wb") as log:
        command = [dockerd, *map(str, places), "--host", made.host, *WITHOUT_NETFILTER]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not made.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            last = "\n".join((state / "dockerd.log").read_text(errors="replace").splitlines()[-5:])
            raise NoEngine(f"dockerd does not start here:\n{last}")
        time.sleep(0.2)
    return process, made


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
