import io
import socket

from rich.console import Console

from infra.local.ports import HOST, Ports, free, is_free
from infra.local.progress import Progress


def test_the_usual_port_is_taken_where_free() -> None:
    port = free()
    assert Ports(Progress(Console(quiet=True))).choose("glucose", port) == port


def test_another_is_chosen_and_said_where_it_is_taken() -> None:
    said = io.StringIO()
    with socket.create_server((HOST, 0)) as taken:
        port = int(taken.getsockname()[1])
        assert not is_free(port)
        other = Ports(Progress(Console(file=said))).choose("glucose", port)
    assert other != port
    assert f"Port {port} is taken" in said.getvalue()
    assert str(other) in said.getvalue()
