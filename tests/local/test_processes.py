import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

import psutil
import pytest

from infra.local.cloud import Cloud
from infra.local.folder import write_json
from infra.local.processes import MARK, Record

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_is_started_told_and_stopped(cloud: Cloud) -> None:
    record = cloud.processes.start("sleeper", SLEEP, {})
    assert cloud.processes.alive("sleeper")
    cloud.processes.stop("sleeper")
    assert gone(record.pid)
    assert not cloud.processes.records()


def test_what_a_process_started_ends_with_it(cloud: Cloud) -> None:
    parent = f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(60)"
    record = cloud.processes.start("parent", [sys.executable, "-c", parent], {})
    while not (children := psutil.Process(record.pid).children()):
        time.sleep(0.05)
    cloud.processes.stop_all()
    assert gone(record.pid)
    assert gone(children[0].pid)


def test_a_reused_pid_is_nobody_of_ours(cloud: Cloud, stranger: subprocess.Popen[bytes]) -> None:
    started = psutil.Process(stranger.pid).create_time()
    write_json(cloud.folder.records / "old.json", asdict(Record("old", stranger.pid, started - 3600)))
    assert not cloud.processes.alive("old")
    cloud.processes.stop_all()
    assert stranger.poll() is None


def test_a_start_killed_before_its_record_leaves_nothing(cloud: Cloud) -> None:
    with subprocess.Popen(SLEEP, env={MARK: cloud.processes.mark}, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdout is not None
        orphan.stdout.readline()
        cloud.processes.stop_strays()
        assert gone(orphan.pid)


def test_strays_of_another_cloud_are_left_alone(cloud: Cloud) -> None:
    with subprocess.Popen(SLEEP, env={MARK: "/another/cloud"}) as other:
        cloud.processes.stop_strays()
        assert other.poll() is None
        other.kill()


def test_recorded_processes_are_no_strays(cloud: Cloud) -> None:
    cloud.processes.start("sleeper", SLEEP, dict(os.environ))
    cloud.processes.stop_strays()
    assert cloud.processes.alive("sleeper")
    cloud.processes.stop_all()
    assert not cloud.processes.alive("sleeper")
