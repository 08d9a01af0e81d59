"""Objects in one S3 bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import NotFound

PAGE = 1000
"""Objects that S3 lists at once, at most."""

_ABSENT = {"NoSuchKey", "404", "NotFound"}


@dataclass(frozen=True)
class S3Objects:
    bucket: str

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        with _of(key):
            client("s3").put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def get(self, key: str) -> tuple[bytes, str]:
        with _of(key):
            answer = client("s3").get_object(Bucket=self.bucket, Key=key)
            return answer["Body"].read(), answer["ContentType"]

    def part(self, key: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        with _of(key):
            answer = client("s3").get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
            return answer["Body"].read()

    def size(self, key: str) -> int:
        with _of(key):
            return client("s3").head_object(Bucket=self.bucket, Key=key)["ContentLength"]

    def etag(self, key: str) -> str:
        with _of(key):
            return client("s3").head_object(Bucket=self.bucket, Key=key)["ETag"].strip('"')

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        with _of(prefix):
            pages = (
                client("s3")
                .get_paginator("list_objects_v2")
                .paginate(Bucket=self.bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit, "PageSize": PAGE})
            )
            found = [item for page in pages for item in page.get("Contents", [])]
        return [(item["Key"], item["Size"], item["LastModified"].astimezone(UTC)) for item in found]

    def delete(self, key: str) -> None:
        with _of(key):
            client("s3").delete_object(Bucket=self.bucket, Key=key)

    def upload_url(self, key: str, *, size: int, content_type: str, seconds: int) -> str:
        """Length and type are signed: S3 refuses a PUT that has others."""
        with _of(key):
            return client("s3").generate_presigned_url(
                "put_object",
                Params={"Bucket": self.bucket, "Key": key, "ContentLength": size, "ContentType": content_type},
                ExpiresIn=seconds,
            )

    def download_url(self, key: str, *, seconds: int) -> str:
        with _of(key):
            return client("s3").generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
            )


@contextmanager
def _of(key: str) -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        with translated("object storage"):
            yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            raise NotFound("there is no such object; it may have expired", key=key) from error
        raise
