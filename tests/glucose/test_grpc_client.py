"""The command-line client against a real server: what it prints, writes and returns."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from infra.local.demo.exports import write_dexcom
from infra.local.demo.glucose import virtual_patients
from quintet.cli.glucose import DONE, LATER, REFUSED, WRONG, main
from quintet.entry.grpc import GrpcServer
from quintet.glucose.grpc import glucose_server
from quintet.glucose.wiring import glucose

pytestmark = pytest.mark.enable_socket

Run = Callable[..., tuple[int, str, str]]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrpcServer]:
    monkeypatch.setenv("GRPC_PORT", "0")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")  # the server's log would stand between the client's lines
    server = glucose_server(glucose())
    server.start()
    yield server
    server.stop(5)


@pytest.fixture
def run(server: GrpcServer, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> Run:
    """Exit code, output and complaints of one command."""
    monkeypatch.setenv("GLURPC_SERVER", f"127.0.0.1:{server.port}")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, error = capsys.readouterr()
        lines = (line for line in out.splitlines(keepends=True) if '"service":"glucose-grpc"' not in line)
        return code, "".join(lines), error

    return command


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("exports") / "dexcom.csv"
    file.write_bytes(write_dexcom(next(iter(virtual_patients().values()))))
    return str(file)


def test_it_converts(run: Run, export: str) -> None:
    code, out, error = run("convert", export)
    assert (code, error) == (DONE, "")
    assert out.startswith("sequence_id,")


def test_it_reads_what_is_piped_in(run: Run, export: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(export).read_bytes())))
    code, out, _ = run("convert", "-")
    assert (code, out[:12]) == (DONE, "sequence_id,")


def test_it_processes_draws_and_forgets(run: Run, export: str) -> None:
    code, out, _ = run("process", export)
    processed = json.loads(out)
    assert (code, processed["error"], processed["warnings"]["too_short"]) == (DONE, "", False)
    code, out, _ = run("draw", processed["handle"], "--index", "-1")
    assert (code, set(json.loads(out)["plot_data"])) == (DONE, {"data", "layout"})
    assert json.loads(run("cache", "info")[1])["cache_size"] == 1
    assert run("cache", "delete", processed["handle"])[0] == DONE
    code, out, error = run("draw", processed["handle"])
    assert (code, out, error[:10]) == (REFUSED, "", "NOT_FOUND:")


def test_it_draws_pictures(run: Run, export: str, tmp_path: Path) -> None:
    drawing, picture = tmp_path / "plot.svg", tmp_path / "plot.png"
    code, out, _ = run("--unit", "mmol/L", "quick", export, "--svg", str(drawing), "--png", str(picture))
    assert (code, out) == (DONE, "")
    assert "mmol/L" in drawing.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_it_plots_quickly_as_json(run: Run, export: str) -> None:
    code, out, _ = run("quick", export)
    answer = json.loads(out)
    assert (code, set(answer)) == (DONE, {"plot_data", "warnings", "error"})
    assert answer["plot_data"]["layout"]["title"]["text"] == "Gluformer Prediction"


def test_it_tells_health(run: Run) -> None:
    code, out, _ = run("health")
    told = json.loads(out)
    assert (code, len(told), told["status"]) == (DONE, 23, "ok")


@pytest.mark.parametrize("command", ["convert", "process", "quick"])
def test_what_can_not_be_read_is_complained_of(run: Run, tmp_path: Path, command: str) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada")
    code, _, error = run(command, str(tmp_path / "letter.txt"), *(["--svg", "no.svg"] if command == "quick" else []))
    assert code == REFUSED
    assert error.strip()
    assert not Path("no.svg").exists()


def test_a_file_that_is_not_there(run: Run) -> None:
    assert run("convert", "nowhere.csv") == (WRONG, "", "nowhere.csv: No such file or directory\n")


def test_a_wrong_command(run: Run, capsys: Output) -> None:
    with pytest.raises(SystemExit) as ended:
        run("cache", "burn")
    assert ended.value.code == WRONG


def test_a_server_that_is_away_may_come_back(capsys: Output) -> None:
    assert main(["--server", "127.0.0.1:1", "--timeout", "5", "health"]) == LATER
    assert capsys.readouterr().err.startswith("UNAVAILABLE:")


def test_a_key_is_asked_for_and_given(run: Run, export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").write_text("a-key\n")
    monkeypatch.setenv("ENABLE_API_KEYS", "true")
    monkeypatch.setenv("GLURPC_API_KEYS_FILE", str(tmp_path / "keys"))
    assert run("quick", export) == (REFUSED, "", "UNAUTHENTICATED: API key required\n")
    assert run("--api-key", "guessed", "quick", export) == (REFUSED, "", "PERMISSION_DENIED: Invalid API key\n")
    assert run("--api-key", "a-key", "process", export)[0] == DONE
    monkeypatch.setenv("GLURPC_API_KEY", "a-key")
    assert run("quick", export)[0] == DONE


def test_it_trusts_the_certificates_that_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    authority = trustme.CA()
    ours = authority.issue_cert("127.0.0.1")
    files: dict[str, Any] = {
        "GRPC_TLS_CERT_FILE": ours.cert_chain_pems[0],
        "GRPC_TLS_KEY_FILE": ours.private_key_pem,
        "CA": authority.cert_pem,
    }
    for name, content in files.items():
        content.write_to_path(tmp_path / name)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("GRPC_PORT", "0")
    server = glucose_server(glucose())
    server.start()
    place = ["--server", f"127.0.0.1:{server.port}", "--timeout", "10"]
    assert main([*place, "--tls-ca", str(tmp_path / "CA"), "health"]) == DONE
    assert main([*place, "--tls", "health"]) == LATER
    server.stop(5)
    assert "UNAVAILABLE" in capsys.readouterr().err
