"""The owner's agent as a process: its HTTP door, and its attendance at the sessions that wait."""

import sys
from pathlib import Path
from threading import Thread

import uvicorn

from quintet.sdk.agent import agent_app
from quintet.sdk.attendance import Attendance
from quintet.sdk.datasets import Datasets
from quintet.sdk.owner import Owner

GRACE = 5
"""Seconds for what is being answered."""


def serve(owner: Owner, folder: Path, host: str, port: int, hosts: tuple[str, ...]) -> None:
    """Until the process is told to end. What is under way then goes on where it was when the agent comes back."""
    datasets = Datasets(folder)
    attendance = Attendance(owner, datasets, _say, owner.pace())
    Thread(target=attendance.run, name="attendance", daemon=True).start()
    config = uvicorn.Config(
        agent_app(owner, datasets, hosts),
        host=host,
        port=port,
        log_level="warning",
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    _say(f"the agent of {owner.client} answers on http://{host}:{port}")
    uvicorn.Server(config).run()
    attendance.ended.set()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
