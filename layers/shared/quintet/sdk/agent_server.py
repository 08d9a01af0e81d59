"""The owner's agent as a process: its HTTP door, and its attendance at the sessions that wait."""

import socket
import sys
from pathlib import Path
from threading import Thread

import uvicorn

from quintet.kernel.errors import Misconfigured
from quintet.sdk.agent import agent_app
from quintet.sdk.attendance import Attendance
from quintet.sdk.datasets import Datasets
from quintet.sdk.owner import Owner

GRACE = 5
"""Seconds for what is being answered."""


def serve(owner: Owner, folder: Path, host: str, port: int, hosts: tuple[str, ...]) -> None:
    """Until the process is told to end. What is under way then goes on where it was when the agent comes back.

    `port` 0 is any free one. Raises Misconfigured where it can't be had.
    """
    datasets = Datasets(folder)
    config = uvicorn.Config(
        agent_app(owner, datasets, hosts),
        log_level="warning",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    attendance = Attendance(owner, datasets, _say, owner.pace())
    with _listening(host, port) as door:
        _say(f"the agent of {owner.client} answers on http://{host}:{door.getsockname()[1]}")
        Thread(target=attendance.run, name="attendance", daemon=True).start()
        uvicorn.Server(config).run([door])
    attendance.ended.set()


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        said = f"the agent can't listen on {host}:{port} ({error.strerror})"
        raise Misconfigured(f"{said}: another --port, or end what has it") from None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
