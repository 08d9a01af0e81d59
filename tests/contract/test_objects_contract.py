"""What every bulk storage promises."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

from quintet.adapters import s3
from quintet.adapters.memory import MemoryObjects
from quintet.adapters.s3 import S3Objects
from quintet.entry.ports import Objects
from quintet.kernel.errors import Misconfigured, NotFound


class ObjectsContract:
    @pytest.fixture
    def objects(self) -> Objects:
        raise NotImplementedError

    @pytest.mark.parametrize(
        "body", [b"", b"text", bytes(range(256)) * 4, b"\r\n", b"x" * 6_000_000], ids=["empty", "text", "binary",
        "newline", "6 MB"]
    )  # fmt: skip
    def test_bytes_come_back_as_they_went(self, objects: Objects, body: bytes) -> None:
        objects.put("uploads/ada/1", body, content_type="text/csv")
        assert objects.get("uploads/ada/1") == (body, "text/csv")
        assert objects.size("uploads/ada/1") == len(body)

    @pytest.mark.parametrize("key", ["a", "uploads/ü ñ/日本.csv", "a+b&c=d?e#f%20", "x/" * 100 + "x"])
    def test_a_key_may_be_called_anything(self, objects: Objects, key: str) -> None:
        objects.put(key, b"here")
        objects.put(f"{key}-other", b"elsewhere")
        assert objects.get(key) == (b"here", "application/octet-stream")

    @pytest.mark.parametrize(("start", "length", "part"), [(0, 3, b"abc"), (2, 2, b"cd"), (4, 9, b"ef"), (1, 0, b"")])
    def test_a_part_is_as_long_as_asked_for(self, objects: Objects, start: int, length: int, part: bytes) -> None:
        objects.put("a/part", b"abcdef")
        assert objects.part("a/part", start, length) == part

    def test_the_last_put_stands(self, objects: Objects) -> None:
        objects.put("a", b"first", content_type="text/plain")
        objects.put("a", b"second!")
        assert objects.get("a") == (b"second!", "application/octet-stream")
        assert objects.size("a") == 7

    def test_what_is_not_there_is_not_found(self, objects: Objects) -> None:
        objects.put("a", b"x")
        objects.delete("a")
        objects.delete("a")
        for ask in (objects.get, objects.size, objects.etag):
            with pytest.raises(NotFound) as refusal:
                ask("a")
            assert refusal.value.details["key"] == "a"

    def test_another_body_has_another_etag(self, objects: Objects) -> None:
        objects.put("a", b"first")
        first = objects.etag("a")
        assert first == objects.etag("a")
        objects.put("a", b"second")
        assert first != objects.etag("a")

    def test_nothing_has_no_part(self, objects: Objects) -> None:
        with pytest.raises(NotFound):
            objects.part("not/there", 0, 4)

    def test_keys_are_listed_in_their_order(self, objects: Objects) -> None:
        for key in ("listed/b", "listed/a/2", "listed/é", "listed/a/1", "elsewhere/listed/a"):
            objects.put(key, key.encode())
        listed = objects.list("listed/", 10)
        assert [(key, size) for key, size, _ in listed] == [
            (key, len(key.encode())) for key in ("listed/a/1", "listed/a/2", "listed/b", "listed/é")
        ]
        assert all(abs(datetime.now(UTC) - changed) < timedelta(minutes=5) for _, _, changed in listed)
        assert [key for key, _, _ in objects.list("listed/a", 1)] == ["listed/a/1"]
        assert objects.list("listed/c", 10) == objects.list("nowhere/", 10) == []

    def test_urls_name_the_object(self, objects: Objects) -> None:
        upload = objects.upload_url("uploads/ada/1", size=5, content_type="text/csv", seconds=60)
        download = objects.download_url("uploads/ada/1", seconds=60)
        assert upload != download
        assert all(urlsplit(url).path.endswith("uploads/ada/1") for url in (upload, download))


class TestMemoryObjects(ObjectsContract):
    @pytest.fixture
    def objects(self) -> Objects:
        return MemoryObjects()

    def test_keys_are_told(self) -> None:
        objects = MemoryObjects()
        objects.put("b", b"")
        objects.put("a", b"")
        assert objects.keys() == ["a", "b"]


class S3Contract(ObjectsContract):
    def test_the_size_and_type_of_an_upload_are_signed(self, objects: Objects) -> None:
        url = objects.upload_url("uploads/ada/1", size=5, content_type="text/csv", seconds=86400)
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Expires"] == ["86400"]
        assert not [name for name in query if "checksum" in name.lower()]

    def test_more_than_a_page_is_listed(self, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3, "PAGE", 2)
        keys = [f"pages/{number}" for number in range(5)]
        for key in keys:
            objects.put(key, b"")
        assert [[key for key, _, _ in objects.list("pages/", limit)] for limit in (9, 5, 3)] == [keys, keys, keys[:3]]

    def test_a_bucket_that_is_not_there_is_somebodys_mistake(self, objects: Objects) -> None:
        with pytest.raises(Misconfigured):
            S3Objects("no-such-bucket-of-quintet").put("a", b"x")


class TestS3ObjectsOnMoto(S3Contract):
    @pytest.fixture
    def objects(self, moto_bucket: str) -> Objects:
        return S3Objects(moto_bucket)

    def test_on_aws_a_url_is_regional(self, objects: Objects) -> None:
        url = objects.upload_url("k", size=5, content_type="text/csv", seconds=60)
        assert (urlsplit(url).hostname or "").endswith(".s3.eu-central-1.amazonaws.com")


@pytest.mark.enable_socket
class TestS3ObjectsOnCloud(S3Contract):
    @pytest.fixture
    def objects(self, cloud_bucket: str) -> Objects:
        return S3Objects(cloud_bucket)

    def test_whoever_holds_a_url_may_use_it(self, objects: Objects) -> None:
        url = objects.upload_url("uploads/ada/1", size=5, content_type="text/csv", seconds=60)
        put = Request(url, data=b"hello", method="PUT", headers={"Content-Type": "text/csv"})
        with urlopen(put, timeout=10) as answer:
            assert answer.status == 200
        assert objects.get("uploads/ada/1") == (b"hello", "text/csv")
        with urlopen(objects.download_url("uploads/ada/1", seconds=60), timeout=10) as answer:
            assert answer.read() == b"hello"
