"""What every store of files promises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from quintet.adapters.aws import client
from quintet.adapters.memory_files import MemoryFiles
from quintet.adapters.s3_files import PART, S3Files
from quintet.kernel.errors import Conflict, Misconfigured, NotFound, Unavailable
from quintet.kernel.files import Files


class FilesContract:
    @pytest.fixture
    def files(self) -> Files:
        raise NotImplementedError

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        made = tmp_path / "source"
        made.write_bytes(b"first")
        return made

    @pytest.mark.parametrize("size", [0, 1, 5_000_000, PART + 1], ids=["empty", "a byte", "5 MB", "in parts"])
    def test_files_come_back_as_they_went(self, files: Files, tmp_path: Path, size: int) -> None:
        source, target = tmp_path / "up", tmp_path / "down"
        source.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
        files.upload(source, "models/ada/best.pt", content_type="application/octet-stream")
        stored = files.find("models/ada/best.pt")
        assert stored.size == size
        files.download(stored, target)
        assert target.read_bytes() == source.read_bytes()

    @pytest.mark.parametrize("key", ["a", "datasets/ü ñ/日本.jpg", "a+b&c=d?e#f%20", "checkpoints/x/a%23b/1/0001.pt"])
    def test_a_key_may_be_called_anything(self, files: Files, source: Path, key: str) -> None:
        files.upload(source, key, content_type="text/plain")
        assert [stored.key for stored in files.list(key)] == [key]
        files.download(files.find(key), source.with_name("target"))

    def test_a_list_is_in_the_order_of_keys(self, files: Files, source: Path) -> None:
        for key in ("a/2", "a/10", "a/b/1", "b/1", "a"):
            files.upload(source, key, content_type="text/plain")
        found = list(files.list("a/"))
        assert [stored.key for stored in found] == ["a/10", "a/2", "a/b/1"]
        assert found == [files.find(stored.key) for stored in found]
        assert list(files.list("c/")) == []

    def test_what_is_not_there_is_not_found(self, files: Files, source: Path) -> None:
        files.upload(source, "a", content_type="text/plain")
        stored = files.find("a")
        files.delete("a")
        files.delete("a")
        with pytest.raises(NotFound, match="There is no a in the bucket"):
            files.find("a")
        with pytest.raises(NotFound):
            files.download(stored, source.with_name("target"))
        assert not source.with_name("target").exists()

    def test_what_was_changed_since_it_was_seen_is_not_taken(self, files: Files, source: Path) -> None:
        files.upload(source, "a", content_type="text/plain")
        seen = files.find("a")
        source.write_bytes(b"other")
        files.upload(source, "a", content_type="text/plain")
        with pytest.raises(Conflict, match="a was changed while it was being read"):
            files.download(seen, source.with_name("target"))

    def test_what_is_there_is_replaced(self, files: Files, source: Path) -> None:
        files.upload(source, "a", content_type="text/plain")
        target = source.with_name("target")
        target.write_bytes(b"something longer that was there")
        files.download(files.find("a"), target)
        assert target.read_bytes() == b"first"


class TestMemoryFiles(FilesContract):
    @pytest.fixture
    def files(self) -> Files:
        return MemoryFiles()


class S3FilesContract(FilesContract):
    def test_a_bucket_that_is_not_there_is_somebodys_mistake(self, files: S3Files, source: Path) -> None:
        elsewhere = S3Files("no-such-bucket-of-quintet")
        for act in (
            lambda: elsewhere.upload(source, "a", content_type="text/plain"),
            lambda: list(elsewhere.list("a")),
        ):
            with pytest.raises(Misconfigured):
                act()

    def test_type_and_checksum_are_stored(self, files: S3Files, source: Path) -> None:
        files.upload(source, "a", content_type="text/csv")
        head = client("s3").head_object(Bucket=files.bucket, Key="a", ChecksumMode="ENABLED")
        assert head["ContentType"] == "text/csv"
        assert head["ChecksumSHA256"]


class Faults:
    """The first `count` bodies of GetObject arrive as `spoil` leaves them."""

    def __init__(self, count: int, body: bytes) -> None:
        self.count, self.body = count, body

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        if self.count == 0:
            return None
        self.count -= 1
        headers = HTTPHeaders.from_dict({"Content-Length": "5", "ETag": '"8b04d5e3775d298e78455efc5ca404d5"'})
        return AWSResponse(request.url, 200, headers, Body(self.body))


def spoilt(count: int, body: bytes) -> Faults:
    events: Any = client("s3").meta.events
    events.register_first("before-send.s3.GetObject", faults := Faults(count, body))
    return faults


class Body:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, amount: int | None = None, **_: Any) -> bytes:
        given, self.content = self.content[:amount], self.content[amount or len(self.content) :]
        return given

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.content


class TestS3FilesOnMoto(S3FilesContract):
    @pytest.fixture
    def files(self, moto_bucket: str) -> S3Files:
        return S3Files(moto_bucket, pause=0)

    @pytest.mark.parametrize("body", [b"fir", b"", b"fIrst"], ids=["cut", "nothing", "altered"])
    def test_a_body_that_is_not_whole_is_fetched_again(self, files: S3Files, source: Path, body: bytes) -> None:
        files.upload(source, "a", content_type="text/plain")
        faults = spoilt(2, body)
        files.download(files.find("a"), source.with_name("target"))
        assert source.with_name("target").read_bytes() == b"first"
        assert faults.count == 0

    def test_a_body_that_is_never_whole_is_given_up(self, files: S3Files, source: Path) -> None:
        files.upload(source, "a", content_type="text/plain")
        spoilt(99, b"fir")
        with pytest.raises(Unavailable):
            files.download(files.find("a"), source.with_name("target"))
        assert [path.name for path in source.parent.iterdir()] == ["source"]

    def test_an_object_in_parts_has_no_md5_to_compare(self, files: S3Files, tmp_path: Path) -> None:
        source = tmp_path / "large"
        source.write_bytes(b"x" * (PART + 1))
        files.upload(source, "a", content_type="text/plain")
        assert "-" in files.find("a").etag


@pytest.mark.enable_socket
class TestS3FilesOnCloud(S3FilesContract):
    @pytest.fixture
    def files(self, cloud_bucket: str) -> S3Files:
        return S3Files(cloud_bucket)
