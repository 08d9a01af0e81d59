import stat
import threading
from pathlib import Path

from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json


def test_json_is_for_the_owner_alone(tmp_path: Path) -> None:
    write_json(tmp_path / "value.json", {"key": "secret"})
    assert stat.S_IMODE((tmp_path / "value.json").stat().st_mode) == 0o600
    assert read_json(tmp_path / "value.json") == {"key": "secret"}


def test_a_half_written_file_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "value.json").write_text('{"key": ')
    assert read_json(tmp_path / "value.json") is None
    assert read_json(tmp_path / "absent.json") is None


def test_two_commands_do_not_change_a_cloud_at_once(cloud: Cloud) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait()
        with cloud.folder.lock(cloud.progress):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with cloud.folder.lock(cloud.progress):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
