"""A manifest counts only as it was signed, under our key, for its version."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from quintet.handover.errors import ModelAltered
from quintet.handover.manifest import Manifest, keys_of, opened, sealed
from quintet.kernel.errors import Misconfigured

KEY, OTHER = b"k" * 32, b"o" * 32
SAID = Manifest(
    version="1.0.7",
    kind="lightgbm",
    files={"pairs.onnx": "0" * 64},
    features=("a", "ü"),
    metrics={"val_accuracy": 0.1 + 0.2, "val_f1": None},
    importance={"a": 1e-300},
)
JSON: Any = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(), lambda inner: some.lists(inner, max_size=3)
)


def changed(**fields: Any) -> bytes:
    envelope = json.loads(sealed(SAID, [KEY]))
    envelope["manifest"] |= fields
    return json.dumps(envelope).encode()


def test_comes_back_as_it_was_sealed() -> None:
    assert opened(sealed(SAID, [KEY]), "1.0.7", [KEY]) == SAID


def test_may_be_written_down_in_another_way() -> None:
    envelope = json.loads(sealed(SAID, [KEY]))
    assert opened(json.dumps(envelope, indent=3, sort_keys=True).encode(), "1.0.7", [KEY]) == SAID


@pytest.mark.parametrize(
    "fields",
    [
        {"samples": 1},
        {"files": {"pairs.onnx": "1" * 64}},
        {"kind": "lstm"},
        {"version": "1.0.8"},
        {"metrics": {}},
        {"features": ["ü", "a"]},
        {"unknown": None},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_any_change_is_noticed(fields: dict[str, Any]) -> None:
    with pytest.raises(ModelAltered, match="not signed"):
        opened(changed(**fields), "1.0.7", [KEY])


def test_another_versions_manifest_is_refused() -> None:
    with pytest.raises(ModelAltered, match=r"that of version 1\.0\.7"):
        opened(sealed(SAID, [KEY]), "1.0.8", [KEY])


def test_another_key_is_refused() -> None:
    with pytest.raises(ModelAltered, match="not signed"):
        opened(sealed(SAID, [OTHER]), "1.0.7", [KEY])


def test_a_key_can_be_replaced() -> None:
    """What the old key signed counts as long as it is listed; new manifests are signed with the first."""
    old, new = keys_of("o" * 32), keys_of(f"{'k' * 32}\n\n {'o' * 32} \n")
    assert opened(sealed(SAID, old), "1.0.7", new) == SAID
    assert opened(sealed(SAID, new), "1.0.7", [KEY]) == SAID


@pytest.mark.parametrize("text", ["", "\n", "short", f"{'k' * 32}\nshort"])
def test_short_keys_are_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="MODEL_SIGNING_KEY"):
        keys_of(text)


@given(body=some.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ModelAltered):
        opened(body, "1.0.7", [KEY])


@given(manifest=JSON, signature=JSON)
def test_any_other_envelope_is_refused(manifest: Any, signature: Any) -> None:
    with pytest.raises(ModelAltered):
        opened(json.dumps({"manifest": manifest, "signature": signature}).encode(), "1.0.7", [KEY])


def test_a_deep_one_is_refused() -> None:
    with pytest.raises(ModelAltered):
        opened(b"[" * 100_000, "1.0.7", [KEY])


def test_a_metric_that_is_no_number_becomes_null() -> None:
    said = sealed(SAID.model_copy(update={"metrics": {"val_f1": float("nan"), "more": [float("inf")]}}), [KEY])
    assert opened(said, "1.0.7", [KEY]).metrics == {"val_f1": None, "more": [None]}


@pytest.mark.parametrize("name", ["../other.onnx", "a/b.onnx", "model.pkl", "", "MODEL.onnx", "manifest.json\n"])
def test_a_file_may_not_be_called_anything(name: str) -> None:
    with pytest.raises(ValidationError, match="files"):
        Manifest(version="1", kind="lightgbm", files={name: "0" * 64}, features=())
