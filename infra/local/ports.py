"""Loopback ports: the documented one where it is free, another where it is taken."""

import socket
from dataclasses import dataclass

from infra.local.progress import Progress

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    progress: Progress
    always_free: bool = False

    def choose(self, purpose: str, usual: int) -> int:
        if self.always_free:
            return free()
        if is_free(usual):
            return usual
        port = free()
        self.progress.say(f"[yellow]Port {usual} is taken; {purpose} answers on {port} instead.[/]")
        return port


def free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0
