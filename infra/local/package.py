"""What `sam package` does, fast: code and nested templates go to the bucket, named by their content, uncompressed.

Zipping the numeric libraries takes `sam package` twenty seconds for every deployment; here nobody pays for the bytes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import yaml
from botocore.exceptions import ClientError

CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}
NESTED = {"AWS::Serverless::Application": "Location"}
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bucket:
    """An S3 client and a bucket; what is there already is not sent again."""

    client: Any
    name: str

    def keep(self, key: str, write: Any) -> str:
        """The s3:// address of the object that `write` writes to a file."""
        if not self.has(key):
            with TemporaryFile() as file:
                write(file)
                file.seek(0)
                self.client.put_object(Bucket=self.name, Key=key, Body=file)
        return f"s3://{self.name}/{key}"

    def has(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.name, Key=key)
        except ClientError:
            return False
        return True


def packaged(template: Path, bucket: Bucket) -> str:
    """The built template as JSON, with addresses in the bucket for the folders and templates that it names."""
    body = yaml.safe_load(template.read_text())
    for resource in body["Resources"].values():
        properties = resource.get("Properties", {})
        if part := CODE.get(resource["Type"]):
            properties[part] = code(template.parent / properties[part], bucket)
        if part := NESTED.get(resource["Type"]):
            properties[part] = nested(template.parent / properties[part], bucket)
    return json.dumps(body)


def nested(template: Path, bucket: Bucket) -> str:
    body = packaged(template, bucket).encode()
    key = f"{sha256(body).hexdigest()}.template"
    return bucket.keep(key, lambda file: file.write(body)).replace("s3://", f"{bucket.client.meta.endpoint_url}/")


def code(folder: Path, bucket: Bucket) -> str:
    files = list(contents(folder))
    return bucket.keep(f"{digest(files)}.zip", lambda file: pack(files, file))


def contents(folder: Path) -> Iterator[tuple[str, Path]]:
    """Names inside the archive and the files, in an order that is always the same."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file():
            yield name, path


def digest(files: list[tuple[str, Path]]) -> str:
    seen = sha256()
    for name, path in files:
        seen.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return seen.hexdigest()


def pack(files: list[tuple[str, Path]], target: BinaryIO) -> None:
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for name, path in files:
            entry = ZipInfo(name, EPOCH)
            entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
            archive.writestr(entry, path.read_bytes())
