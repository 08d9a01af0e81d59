"""An owner's files: nobody else may read what is secret, and nothing is half written."""

import os
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from quintet.aggregation.secagg.identity import Roster
from quintet.kernel.errors import Conflict, Misconfigured
from quintet.sdk.identity_file import create_identity, load_identity, load_roster
from quintet.sdk.private_files import private_folder, read_private, write_private


def test_an_identity_comes_back_from_its_file(tmp_path: Path) -> None:
    made = create_identity(tmp_path / "a.key")
    assert load_identity(tmp_path / "a.key").public == made.public
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_one_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    made = create_identity(tmp_path / "a.key")
    with pytest.raises(Conflict, match="is there already"):
        create_identity(tmp_path / "a.key")
    assert load_identity(tmp_path / "a.key").public == made.public


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_identity(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        load_identity(tmp_path / "a.key")


def test_openssl_understands_it(tmp_path: Path) -> None:
    made = create_identity(tmp_path / "a.key")
    told = subprocess.run(
        ["openssl", "pkey", "-in", str(tmp_path / "a.key"), "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    assert told.stdout[-32:] == made.public


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    write_private(tmp_path / "a.key", content.encode())
    with pytest.raises(Misconfigured, match="no private key"):
        load_identity(tmp_path / "a.key")


def test_a_missing_identity_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="keys"):
        load_identity(tmp_path / "a.key")


def test_rosters(tmp_path: Path) -> None:
    keys = {name: create_identity(tmp_path / f"{name}.key").public for name in ("b", "ä 1")}
    (tmp_path / "roster.json").write_text(Roster(keys).to_json())
    assert dict(load_roster(tmp_path / "roster.json")) == keys


@pytest.mark.parametrize("content", ["[]", "{", '{"a": "AAAA"}', f'{{"a": "{b64encode(bytes(31)).decode()}"}}'])
def test_what_is_no_roster_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "roster.json").write_text(content)
    with pytest.raises(Misconfigured, match=r"roster\.json"):
        load_roster(tmp_path / "roster.json")


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "part", b"before")

    def power_cut(descriptor: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(OSError, match="power cut"):
        write_private(tmp_path / "part", b"after")
    monkeypatch.undo()
    assert read_private(tmp_path / "part") == b"before"
    write_private(tmp_path / "part", b"after")
    assert read_private(tmp_path / "part") == b"after"


def test_a_folder_that_others_can_look_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(Misconfigured, match="chmod 700"):
        private_folder(tmp_path / "open")
