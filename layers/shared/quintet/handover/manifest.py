"""What is said of a version of a model, and the signature under it.

`manifest.json` is `{"manifest": {…}, "signature": "…"}`. The signature is an HMAC-SHA256 over the manifest's canonical
JSON under a key of the deployment; the manifest holds the SHA-256 of every file. Whoever can write to the bucket but
does not have the key can therefore take a version away, but not put another one in its place.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from quintet.handover.errors import ModelAltered
from quintet.handover.messages import Kind, Version
from quintet.kernel.errors import Misconfigured

MANIFEST_FILE = "manifest.json"
LEAST_KEY = 32
"""Bytes."""

MANIFEST, WEIGHTS = b"quintet handover manifest 1\n", b"quintet handover weights 1\n"
"""What is signed begins with what it is: no signature counts for something else."""

FileName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,50}\.(onnx|json)$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Keys = Sequence[bytes]
"""The first signs, any of them verifies: so a key can be replaced."""


class Manifest(BaseModel):
    """`files` are the SHA-256 of each; `baseline` describes the features of training, for data drift.

    A metric that is no number becomes null.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())

    schema_version: Literal[1] = Field(1, alias="schema")
    version: Version
    kind: Kind
    files: dict[FileName, Digest] = Field(min_length=1)
    features: tuple[str, ...]
    sequence_features: tuple[str, ...] = ()
    length: int = 0
    trained_at: str = ""
    samples: int = 0
    classes: int = 0
    seed: int | None = None
    reason: str = ""
    parents: tuple[str, ...] = ()
    metrics: dict[str, Any] = {}
    importance: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    libraries: dict[str, str] = {}
    baseline: dict[str, Any] = {}


def sealed(manifest: Manifest, keys: Keys) -> bytes:
    """`manifest.json` with its signature."""
    said = manifest.model_dump(mode="json", by_alias=True)
    return json.dumps({"manifest": said, "signature": signature(MANIFEST, canonical(said), keys[0])}).encode()


def opened(body: bytes, version: str, keys: Keys) -> Manifest:
    """The manifest of `version`. Raises ModelAltered where it is not one that was signed for it under our key."""
    try:
        envelope = json.loads(body)
        said, given = envelope["manifest"], envelope["signature"]
        signed = is_signed(MANIFEST, canonical(said), str(given), keys)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelAltered(f"The manifest of version {version} can't be read: publish the model again.") from error
    if not signed:
        raise ModelAltered(f"The manifest of version {version} is not signed with this deployment's key.")
    return _checked(said, version)


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check_file(manifest: Manifest, name: str, content: bytes) -> None:
    """Raises ModelAltered where it is another file than `manifest` describes."""
    if not hmac.compare_digest(digest_of(content), manifest.files[name]):
        raise ModelAltered(f"The file {name} of version {manifest.version} is not the one that was published.")


def signature(about: bytes, statement: bytes, key: bytes) -> str:
    return hmac.new(key, about + statement, hashlib.sha256).hexdigest()


def is_signed(about: bytes, statement: bytes, given: str, keys: Keys) -> bool:
    return any(hmac.compare_digest(signature(about, statement, key).encode(), given.encode()) for key in keys)


def canonical(said: Mapping[str, Any]) -> bytes:
    """The same bytes for the same values, however they were written down.

    >>> canonical({"b": 1, "a": 0.5}) == canonical({"a": 0.5, "b": 1})
    True
    """
    return json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def keys_of(text: str) -> tuple[bytes, ...]:
    """One key a line. Raises Misconfigured where there is none, or one is short.

    >>> [len(key) for key in keys_of("0123456789abcdef0123456789abcdef")]
    [32]
    """
    keys = tuple(line.strip().encode() for line in text.splitlines() if line.strip())
    if not keys or min(map(len, keys)) < LEAST_KEY:
        raise Misconfigured(
            f"set MODEL_SIGNING_KEY: a text of {LEAST_KEY} bytes or more; of several lines the first signs"
        )
    return keys


def _checked(said: Mapping[str, Any], version: str) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(json.dumps(said))
    except ValidationError as error:
        raise ModelAltered(f"The manifest of version {version} is of another release of this program.") from error
    if manifest.version != version:
        raise ModelAltered(f"The manifest at version {version} is that of version {manifest.version}.")
    return manifest
