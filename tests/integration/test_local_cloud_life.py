"""Starting, repeating, killing and stopping a local cloud, by its command line."""

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from infra.local.endpoints import Endpoints
from infra.local.folder import Folder
from infra.local.processes import Processes, Record, marked
from tests.clouds import ROOT, LocalCloud, environment

LOOPBACK = ("127.", "::1", "::ffff:127.")


def processes(cloud: LocalCloud) -> Processes:
    return Processes(Folder(cloud.folder))


def members(cloud: LocalCloud) -> list[psutil.Process]:
    """Every process of the cloud: what was started, and what that started."""
    started = list(marked(processes(cloud).mark))
    return [member for process in started for member in [process, *process.children(recursive=True)]]


def pids(cloud: LocalCloud) -> dict[str, int]:
    return {name: record.pid for name, record in processes(cloud).records().items()}


def http(endpoints: Endpoints) -> str:
    address = endpoints.rooms["glucose"].http
    assert address is not None
    return address


@pytest.fixture
def unstarted(toy: LocalCloud, tmp_path: Path) -> Iterator[LocalCloud]:
    """A second cloud of the same sources, for tests that break one."""
    cloud = LocalCloud(tmp_path / "cloud", toy.template)
    yield cloud
    cloud.run("down")


def test_everything_listens_on_loopback_only(toy: LocalCloud) -> None:
    httpx.get(f"{http(toy.endpoints)}/x")  # a function's process, too
    found = [
        (process.name(), connection.laddr.ip)
        for process in members(toy)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or connection.type.name == "SOCK_DGRAM"
    ]
    assert len(found) >= 3
    assert not [(name, ip) for name, ip in found if not ip.startswith(LOOPBACK)]


def test_the_endpoints_are_for_the_owner_alone(toy: LocalCloud) -> None:
    assert stat.S_IMODE((toy.folder / "endpoints.json").stat().st_mode) == 0o600


def test_a_second_up_keeps_everything_and_changes_nothing(toy: LocalCloud) -> None:
    before, known = pids(toy), toy.endpoints
    start = time.monotonic()
    assert toy.up() == known
    assert pids(toy) == before
    assert time.monotonic() - start < 15


def test_a_changed_function_is_deployed_and_the_keys_are_new(toy: LocalCloud) -> None:
    before, known = pids(toy), toy.endpoints
    layer = toy.template.parent / "layers/shared/toy_layer/__init__.py"
    was = layer.read_text()
    layer.write_text('WORD = "changed"\n')
    now = toy.up()
    assert httpx.get(f"{http(now)}/x").json()["layer"] == "changed"
    assert http(now) == http(known)
    assert now.credentials != known.credentials
    assert pids(toy)["redis"] == before["redis"]
    layer.write_text(was)
    toy.up()


def test_a_deployment_that_fails_names_the_resource_and_the_next_up_succeeds(toy: LocalCloud) -> None:
    before = pids(toy)
    template = toy.template.parent / "infra/glucose.yaml"
    was = template.read_text()
    template.write_text(was.replace("Handler: app.handler", "Handler: app.handler\n      MemorySize: 1", 1))
    done = toy.run("up")
    template.write_text(was)
    toy.up()
    assert done.returncode == 1
    assert "ApiFunction (AWS::Lambda::Function)" in done.stderr
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr
    assert pids(toy)["redis"] == before["redis"]
    assert httpx.get(f"{http(toy.endpoints)}/x").status_code == 200


def test_localstack_killed_while_a_function_runs_leaves_no_function_and_up_works_again(toy: LocalCloud) -> None:
    door = http(toy.endpoints)
    with subprocess.Popen(["curl", "-s", f"{door}/slow"], stdout=subprocess.DEVNULL) as caller:
        time.sleep(1.5)
        host = psutil.Process(pids(toy)["localstack"])
        functions = host.children(recursive=True)
        host.kill()
        host.wait()
        caller.wait()
    assert functions
    assert not psutil.wait_procs(functions, timeout=5)[1]
    answer = httpx.get(f"{door}/x")
    assert (answer.status_code, "make up" in answer.json()["message"]) == (502, True)
    again = toy.up()
    assert http(again) == door
    assert httpx.get(f"{door}/x").status_code == 200


def test_two_ups_at_once_make_one_cloud(unstarted: LocalCloud) -> None:
    commands = [
        subprocess.Popen(unstarted.command("up"), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]  # fmt: skip
    assert [command.wait(300) for command in commands] == [0, 0]
    assert len([process for process in members(unstarted) if "localstack.runtime" in " ".join(process.cmdline())]) == 1
    assert httpx.get(f"{http(unstarted.endpoints)}/x").status_code == 200


@pytest.mark.parametrize(("how", "left"), [(signal.SIGKILL, True), (signal.SIGINT, False)])
def test_a_start_that_is_ended_half_way_stops_nothing(unstarted: LocalCloud, how: signal.Signals, left: bool) -> None:
    with subprocess.Popen(unstarted.command("up"), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as command:  # fmt: skip
        deadline = time.monotonic() + 60
        while "localstack" not in pids(unstarted) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        os.kill(command.pid, how)
        assert command.wait(30) != 0
    assert bool(members(unstarted)) == left
    unstarted.up()
    assert httpx.get(f"{http(unstarted.endpoints)}/x").status_code == 200


def test_down_stops_its_own_and_nothing_else_and_may_be_repeated(toy: LocalCloud, unstarted: LocalCloud) -> None:
    unstarted.up()
    started = members(unstarted)
    for _ in range(2):
        assert unstarted.run("down").returncode == 0
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert not (unstarted.folder / "endpoints.json").exists()
    assert not (unstarted.folder / "run").exists()
    assert httpx.get(f"{http(toy.endpoints)}/x").status_code == 200


def test_without_a_cloud_the_other_verbs_say_what_to_do(unstarted: LocalCloud) -> None:
    for verb in ("status", "endpoints"):
        done = unstarted.run(verb)
        assert done.returncode == 1
        assert "make up" in done.stderr


def test_an_unknown_room_is_refused(unstarted: LocalCloud) -> None:
    done = unstarted.run("up", "--rooms", "kitchen")
    assert done.returncode == 1
    assert "glucose" in done.stderr


def test_a_given_redis_is_used_and_not_started(toy: LocalCloud, unstarted: LocalCloud) -> None:
    assert toy.endpoints.redis is not None
    assert unstarted.up(REDIS_URL=toy.endpoints.redis).redis == toy.endpoints.redis
    assert "redis" not in pids(unstarted)


def test_a_stale_record_of_a_reused_pid_harms_nobody(toy: LocalCloud) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        started = psutil.Process(stranger.pid).create_time()
        assert Record("x", stranger.pid, started - 60).process() is None
        stranger.kill()


def test_logs_follow_servers_and_functions(toy: LocalCloud) -> None:
    httpx.get(f"{http(toy.endpoints)}/to-be-followed")
    with subprocess.Popen(toy.command("logs"), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout is not None
        found: set[str] = set()
        deadline = time.monotonic() + 30
        for line in logs.stdout:
            source, _, text = line.partition(" | ")
            found |= {source.strip()} if "localstack" in source or "saw /to-be-followed" in text else set()
            if len(found) > 1 or time.monotonic() > deadline:
                break
        logs.terminate()
    assert len(found) == 2
