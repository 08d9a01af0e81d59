"""Files in one S3 bucket, checked on both ways.

Up: S3 compares each part with the checksum sent along. Down: the size, the checksum that S3 keeps, and the ETag where
it is the MD5 of the content; a body that ends early or is altered is fetched again.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import Conflict, NotFound, Unavailable
from quintet.kernel.files import Stored

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

MIB = 1024 * 1024
PART = 16 * MIB
ATTEMPTS = 4

_PART_NAME = "object storage"
_ABSENT = {"NoSuchKey", "404", "NotFound"}
_MD5 = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class S3Files:
    bucket: str
    pause: float = 0.5

    def list(self, prefix: str) -> Iterator[Stored]:
        with translated(_PART_NAME):
            for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    yield Stored(found["Key"], found["Size"], found["ETag"].strip('"'))

    def find(self, key: str) -> Stored:
        with _of(key):
            head = client("s3").head_object(Bucket=self.bucket, Key=key)
        return Stored(key, head["ContentLength"], head["ETag"].strip('"'))

    def download(self, stored: Stored, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        try:
            self._download(stored, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def upload(self, source: Path, key: str, *, content_type: str) -> None:
        from boto3.exceptions import S3UploadFailedError

        extra = {"ContentType": content_type, "ChecksumAlgorithm": "SHA256"}
        try:
            with translated(_PART_NAME):
                client("s3").upload_file(str(source), self.bucket, key, ExtraArgs=extra, Config=_in_parts())
        except S3UploadFailedError as error:
            raise _upload_failure(error) from error

    def delete(self, key: str) -> None:
        with _of(key):
            client("s3").delete_object(Bucket=self.bucket, Key=key)

    def _download(self, stored: Stored, part: Path) -> None:
        for attempt in range(1, ATTEMPTS):
            try:
                self._fetch(stored, part)
            except Unavailable:
                time.sleep(self.pause * attempt)
            else:
                return
        self._fetch(stored, part)

    def _fetch(self, stored: Stored, part: Path) -> None:
        from botocore.exceptions import FlexibleChecksumError

        with _of(stored.key):
            answer = client("s3").get_object(
                Bucket=self.bucket, Key=stored.key, IfMatch=stored.etag, ChecksumMode="ENABLED"
            )
            try:
                size, md5 = _written(answer["Body"], part)
            except FlexibleChecksumError as error:
                raise Unavailable(f"{stored.key} arrived altered", reason=str(error)) from error
        if size != stored.size:
            raise Unavailable(f"{stored.key} arrived with {size} of {stored.size} bytes")
        if _is_md5(stored.etag, answer) and md5 != stored.etag:
            raise Unavailable(f"{stored.key} arrived altered", md5=md5)


def _written(body: Any, part: Path) -> tuple[int, str]:
    """Size and MD5 of what was written."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with part.open("wb") as file:
        while chunk := body.read(MIB):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _is_md5(etag: str, answer: Mapping[str, Any]) -> bool:
    """Not of what was stored in parts, nor under a key of KMS."""
    return bool(_MD5.fullmatch(etag)) and answer.get("ServerSideEncryption", "AES256") == "AES256"


def _in_parts() -> "TransferConfig":
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)


def _upload_failure(error: Exception) -> Exception:
    """What boto3 hides in an error of its own, as an error of the house where it is one."""
    from botocore.exceptions import BotoCoreError, ClientError

    from quintet.adapters.aws import as_house_error

    hidden = error.__cause__ or error.__context__
    ours = as_house_error(_PART_NAME, hidden) if isinstance(hidden, (BotoCoreError, ClientError)) else None
    return ours or error


@contextmanager
def _of(key: str) -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        with translated(_PART_NAME):
            yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in _ABSENT:
            raise NotFound(f"There is no {key} in the bucket.", key=key) from error
        if code in {"PreconditionFailed", "412"}:
            raise Conflict(f"{key} was changed while it was being read.", key=key) from error
        raise
