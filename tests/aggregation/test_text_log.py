"""The log as text: its format, its file, and that it never stands in anybody's way."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quintet.kernel import text_log
from quintet.kernel.log import logger
from quintet.kernel.text_log import write_text
from tests.clouds import ROOT

NAME = "computations-orchestrator"
SERVICES = ("text-log-test", "text-log-test-api")
LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) \[text-log-test(-api)?\] "
    r"\[computations-orchestrator\] \S.*"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some/logs"


@pytest.fixture
def text(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """The lines of the file as they are now."""
    back = write_text(SERVICES, str(folder), name=NAME)
    yield lambda: (folder / f"{NAME}.log").read_text().splitlines()
    back()


def test_the_folder_is_made_and_the_start_is_told(folder: Path, text: Callable[[], list[str]]) -> None:
    assert folder.is_dir()
    started, where = text()
    assert started.endswith("=== COMPUTATIONS-ORCHESTRATOR SERVICE STARTED ===")
    assert where.endswith(f"Logging to: {folder / NAME}.log (all levels: INFO, WARNING, ERROR)")


def test_every_line_has_the_documents_format_in_the_file_and_on_the_console(
    text: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    logger("text-log-test").info("a message")
    logger("text-log-test-api").warning('{"a": 1}')
    logger("text-log-test").error("bad", extra={"reason": "two\nlines", "details": {"n": 1, "ü": "x"}, "gone": None})
    assert all(map(LINE.fullmatch, text()))
    plain, warned, failed = (line.split(" ", 2)[2] for line in text()[-3:])
    assert plain == "INFO [text-log-test] [computations-orchestrator] a message"
    assert warned == "WARNING [text-log-test-api] [computations-orchestrator] {'a': 1}"
    assert failed == (
        'ERROR [text-log-test] [computations-orchestrator] bad reason=two\\nlines details={"n": 1, "ü": "x"}'
    )
    assert "request" not in capsys.readouterr().err


def test_no_message_makes_a_line_of_its_own(text: Callable[[], list[str]]) -> None:
    before = len(text())
    forged = "x\n2026-01-01 00:00:00,000 INFO [a] [computations-orchestrator] y\r\x1b[31m\u2028z\x85"
    logger("text-log-test").info(forged, extra={"said": forged, "n\nm": forged})
    try:
        raise ValueError(forged)
    except ValueError:
        logger("text-log-test").exception("failed")
    assert len(text()) == before + 2
    assert all(map(LINE.fullmatch, text()))


def test_what_the_log_knows_of_a_message_follows_it(text: Callable[[], list[str]]) -> None:
    log = logger("text-log-test")
    with log.append_context_keys(message_id="m-1"):
        logger("text-log-test").info("within")
    log.info("after")
    assert text()[-2].endswith("within message_id=m-1")
    assert text()[-1].endswith("after")


def test_and_back_to_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    back = write_text(SERVICES, str(folder), name=NAME)
    back()
    size = (folder / f"{NAME}.log").stat().st_size
    logger("text-log-test").info("later")
    assert (folder / f"{NAME}.log").stat().st_size == size


def test_a_folder_that_can_t_be_written_to_costs_a_warning_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    back = write_text(SERVICES, str(tmp_path / "file/logs"), name=NAME)
    logger("text-log-test").info("still here")
    back()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_goes_away_is_made_again(folder: Path, text: Callable[[], list[str]]) -> None:
    (folder / f"{NAME}.log").unlink()
    logger("text-log-test").info("again")
    assert len(text()) == 1


def test_old_lines_last_and_a_full_file_is_followed_by_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (text_log.FILE_BYTES, text_log.OLDER_FILES) == (50 * 1024 * 1024, 5)
    monkeypatch.setattr(text_log, "FILE_BYTES", 2000)
    for number in range(200):
        back = write_text(SERVICES, str(folder), name=NAME)  # as one process after another
        logger("text-log-test").info(f"line {number}")
        back()
    files = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert files == [f"{NAME}.log", *(f"{NAME}.log.{number}" for number in range(1, 6))]
    assert all((folder / name).stat().st_size <= 2000 for name in files)
    assert "line 199" in (folder / f"{NAME}.log").read_text()


WRITER = """
import sys
from quintet.kernel import text_log
from quintet.kernel.log import logger
text_log.FILE_BYTES, text_log.OLDER_FILES = 8_000, 100
text_log.write_text(["writer"], sys.argv[1], name="shared")
for number in range(300):
    logger("writer").info(f"{sys.argv[2]}-{number}.")
"""


def test_several_processes_share_it_and_lose_nothing(folder: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(folder)]
    writers = [
        subprocess.Popen(
            [*command, name], cwd=ROOT / "layers/shared", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    said = [writer.communicate()[1] for writer in writers]
    assert said == [""] * 4
    text = "".join(path.read_text() for path in folder.glob("shared.log*"))
    older = list(folder.glob("shared.log.*"))
    assert len(older) > 4
    assert all(path.stat().st_size > 7000 for path in older)  # nobody ended a file that another had just begun
    assert [name for name in "abcd" for number in range(300) if text.count(f" {name}-{number}.") != 1] == []
