"""The command line of a data owner: what it prints, writes and returns."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from quintet.cli import screen
from quintet.cli.aggregation import DONE, LATER, REFUSED, WRONG, main
from quintet.sdk.progress import Progress
from tests.sdk.hall import Hall, Household

pytestmark = pytest.mark.enable_socket

Run = Callable[..., tuple[int, str, str]]
PROGRAM = (sys.executable, "-m", "quintet.cli.aggregation")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code, output and complaints of one command, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, error = capsys.readouterr()
        return code, out, error

    return command


def test_keys_are_made_once_and_shown_again(run: Run) -> None:
    code, out, _ = run("keys", "a.key")
    assert code == DONE
    assert len(out.strip()) == 44
    assert run("keys", "a.key") == (DONE, out, "")
    assert run("--identity", "a.key", "keys") == (DONE, out, "")


def test_a_roster_grows_and_never_changes_a_key(run: Run) -> None:
    keys = [run("keys", f"{name}.key")[1].strip() for name in "ab"]
    assert run("roster", "add", "a", keys[0])[0] == DONE
    assert run("roster", "add", "b", keys[1])[0] == DONE
    assert run("roster", "show") == (DONE, f"{keys[0]}  a\n{keys[1]}  b\n", "")
    assert run("roster", "add", "a", keys[0])[0] == DONE
    code, _, error = run("roster", "add", "a", run("keys", "c.key")[1].strip())
    assert (code, "another key of a" in error) == (REFUSED, True)
    code, _, error = run("roster", "add", "c", "no key")
    assert (code, "base64" in error) == (WRONG, True)


def test_three_owners_by_the_command_line(run: Run, url: str, household: Household) -> None:
    (household.place / "vector.json").write_text("[1, 2.5]")
    roster = ("--url", url, "--roster", str(household.place / "roster.json"))

    def contribute(name: str) -> subprocess.CompletedProcess[str]:
        who = ("--client", name, "--identity", str(household.place / f"{name}.key"))
        what = ("contribute", "job", "--clients", "3", "--vector", str(household.place / "vector.json"))
        return subprocess.run([*PROGRAM, *roster, *who, *what], capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(contribute, household.names))
    for one in done:
        assert (one.returncode, json.loads(one.stdout)["result"]) == (DONE, ["3", "7.5"])
        assert "round 3 of 5: masked values, sent\n" in one.stderr
        assert one.stderr.endswith("completed 3/3\n")

    code, out, _ = run("--url", url, "result", "job", "--json")
    assert (code, json.loads(out)["status"]) == (DONE, "COMPLETED")
    code, _, error = run("--url", url, "watch", "job")
    assert (code, error) == (DONE, "completed 3/3\n")


def test_a_job_that_waits_may_have_a_result_later(run: Run, url: str, hall: Hall) -> None:
    hall.report("o0")
    code, _, _ = run("--url", url, "result", "job")
    assert code == LATER


def test_a_server_that_is_away_may_come_back(run: Run) -> None:
    code, _, error = run("--url", "http://127.0.0.1:1", "--patience", "0.1", "result", "job")
    assert (code, "http://127.0.0.1:1 does not answer" in error) == (LATER, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("contribute", "job", "--clients", "3", "--vector", "v"), "--client"),
        (("--client", "o0", "contribute", "job", "--clients", "3", "--vector", "v"), "no identity"),
        (("--client", "o0", "contribute", "job", "--clients", "3", "--vector", "missing"), "missing"),
        (("--client", "o0", "contribute", "job", "--clients", "3", "--frame", "v"), "--schema"),
        (("--client", "o0", "agent"), "no identity"),
        (("roster", "show"), "no roster"),
    ],
)
def test_wrong_commands_say_what_to_do(run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "v").write_text("[1]")
    code, out, error = run(*arguments)
    assert (code, out) == (WRONG, "")
    assert said in error


def test_settings_stand_in_for_options(run: Run, monkeypatch: pytest.MonkeyPatch, url: str, hall: Hall) -> None:
    hall.report("o0")
    monkeypatch.setenv("ORCHESTRATOR_URL", url)
    monkeypatch.setenv("QUINTET_API_KEY", "discreet")
    assert run("result", "job")[0] == LATER
    assert hall.keys == {"discreet"}


def test_the_agent_serves_and_takes_part(run: Run, url: str, hall: Hall, household: Household) -> None:
    roster = ("--url", url, "--roster", str(household.place / "roster.json"))
    agents = []
    for name in household.names:
        who = ("--client", name, "--identity", str(household.place / f"{name}.key"))
        agents.append(
            subprocess.Popen([*PROGRAM, *roster, *who, "agent", "--port", "0"], stderr=subprocess.PIPE, text=True)
        )
    try:
        for agent, name in zip(agents, household.names, strict=True):
            assert agent.stderr is not None
            [address] = [word for word in agent.stderr.readline().split() if word.startswith("http")]
            body: dict[str, Any] = {"type": "int", "data": [1, 2.5]}
            assert httpx.post(f"{address}/api/update-dataset/job", json=body).status_code == 200
            report = {"jobId": "job", "clientId": name, "totalClients": 3}
            assert httpx.post(f"{address}/api/update", json=report).status_code == 200
        assert run("--url", url, "watch", "job")[0] == DONE
    finally:
        for agent in agents:
            agent.send_signal(signal.SIGTERM)
            agent.communicate()
    assert hall.sessions.finish("job").output == ("3", "7.5")


def test_a_table_has_the_figures_that_were_decoded() -> None:
    status = {
        "jobId": "job",
        "metadata": {"summedClients": ["a", "b"]},
        "aggregatedResults": [
            {
                "featureName": "sick",
                "dataType": "BOOLEAN",
                "aggregatedNotNull": 4,
                "aggregatedTrue": 1,
                "percentage": 25.0,
            },
            {
                "featureName": "age",
                "dataType": "NUMERIC",
                "encoding": "pooled",
                "aggregatedNotNull": 3,
                "pooled": {"mean": 1 / 3, "standardDeviation": None, "quartiles": {"q2": {"value": 0.5}}},
            },
        ],
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(screen.table(status))
    text = console.export_text()
    assert "NotNull 4, True 1, percentage 25" in text
    assert "NotNull 3, mean 0.333333, q2 0.5" in text
    assert "summed over a, b" in text


def test_bars_move_where_somebody_watches() -> None:
    console = Console(width=120, record=True, force_terminal=True, file=io.StringIO())
    with screen.bars("job", console) as listener:
        listener(Progress("job", "waiting", 2, 3))
        listener(Progress("job", "mask", 1, 3))
        listener(Progress("job", "mask", sent=True))
    text = console.export_text()
    assert "round 3 of 5: masked values" in text
    assert "3/7" in text
