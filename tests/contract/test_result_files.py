"""What every place of result files promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from quintet.adapters.aws import client
from quintet.adapters.memory_files import MemoryResultFiles
from quintet.adapters.result_files import FolderFiles, S3PrefixFiles, result_files
from quintet.aggregation.results import ResultFiles
from quintet.kernel.errors import Misconfigured, Unavailable
from tests.contract.conftest import AtOnce

Read = Callable[[str], bytes]
KIND = "application/json"


class ResultFilesContract:
    @pytest.fixture
    def files(self) -> ResultFiles:
        raise NotImplementedError

    @pytest.fixture
    def read(self) -> Read:
        """What lies at an address."""
        raise NotImplementedError

    def test_a_file_lies_where_its_address_says(self, files: ResultFiles, read: Read) -> None:
        assert files.create("job%2F1_results.json", b"{}", content_type=KIND)
        assert files.address("job%2F1_results.json").endswith("/job%2F1_results.json")
        assert read(files.address("job%2F1_results.json")) == b"{}"

    def test_the_same_content_may_come_again(self, files: ResultFiles, read: Read) -> None:
        assert files.create("a.txt", b"x", content_type=KIND)
        assert files.create("a.txt", b"x", content_type=KIND)
        assert read(files.address("a.txt")) == b"x"

    def test_another_content_does_not_take_its_place(self, files: ResultFiles, read: Read) -> None:
        files.create("a.txt", b"first", content_type=KIND)
        assert not files.create("a.txt", b"second", content_type=KIND)
        assert read(files.address("a.txt")) == b"first"

    def test_unless_that_is_what_is_asked_for(self, files: ResultFiles, read: Read) -> None:
        files.create("a.txt", b"first", content_type=KIND)
        files.replace("a.txt", b"second", content_type=KIND)
        files.replace("b.txt", b"third", content_type=KIND)
        assert (read(files.address("a.txt")), read(files.address("b.txt"))) == (b"second", b"third")

    def test_of_many_at_once_one_is_stored(self, files: ResultFiles, read: Read, at_once: AtOnce) -> None:
        kept = at_once(lambda number: files.create("a.txt", b"%d" % number, content_type=KIND))
        assert kept.count(True) == 1
        assert int(read(files.address("a.txt"))) == kept.index(True)


class TestMemory(ResultFilesContract):
    @pytest.fixture
    def files(self) -> MemoryResultFiles:
        return MemoryResultFiles()

    @pytest.fixture
    def read(self, files: MemoryResultFiles) -> Read:
        return lambda address: files.content[address.removeprefix("memory:/")]


class TestFolder(ResultFilesContract):
    @pytest.fixture
    def files(self, tmp_path: Path) -> ResultFiles:
        return result_files(str(tmp_path / "a/b"))

    @pytest.fixture
    def read(self) -> Read:
        return lambda address: Path(address).read_bytes()

    def test_nothing_else_is_left(self, files: FolderFiles) -> None:
        for content in (b"x", b"x", b"y"):
            files.create("a.txt", content, content_type=KIND)
        files.replace("a.txt", b"z", content_type=KIND)
        assert [path.name for path in files.folder.iterdir()] == ["a.txt"]

    def test_a_folder_that_can_t_be_made_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        files = result_files(str(tmp_path / "file/folder"))
        for store in (files.create, files.replace):
            with pytest.raises(Unavailable, match="can't be written to"):
                store("a.txt", b"x", content_type=KIND)

    def test_without_links(self, files: FolderFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_links(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr("os.link", no_links)
        stored = [files.create("a.txt", content, content_type=KIND) for content in (b"x", b"x", b"y")]
        assert stored == [True, True, False]
        assert [(path.name, path.read_bytes()) for path in files.folder.iterdir()] == [("a.txt", b"x")]


class InBucket(ResultFilesContract):
    @pytest.fixture
    def read(self) -> Read:
        def fetch(address: str) -> bytes:
            bucket, _, key = address.removeprefix("s3://").partition("/")
            return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

        return fetch

    def test_at_the_top_of_the_bucket(self, files: S3PrefixFiles, read: Read) -> None:
        top = result_files(f"s3://{files.bucket}/")
        assert top.create("a.txt", b"x", content_type=KIND)
        assert read(f"s3://{files.bucket}/a.txt") == b"x"


class TestMoto(InBucket):
    @pytest.fixture
    def files(self, moto_bucket: str) -> ResultFiles:
        return result_files(f"s3://{moto_bucket}/aggregation/results/")

    def test_of_many_at_once_one_is_stored(self, files: ResultFiles, read: Read, at_once: AtOnce) -> None:
        """moto's conditions are not atomic under threads; a real server's are."""

    def test_a_bucket_that_is_not_there_is_misconfigured(self, moto: None) -> None:
        with pytest.raises(Misconfigured):
            result_files("s3://nobodys/prefix").create("a.txt", b"x", content_type=KIND)


@pytest.mark.enable_socket
class TestCloud(InBucket):
    @pytest.fixture
    def files(self, cloud_bucket: str) -> ResultFiles:
        return result_files(f"s3://{cloud_bucket}/aggregation/results")


def test_a_place_without_a_bucket_is_misconfigured() -> None:
    with pytest.raises(Misconfigured):
        result_files("s3:///prefix")
