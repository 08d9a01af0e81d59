"""Versions: published once, refused where anything is missing or altered, one of them active."""

import json
from pathlib import Path

import pytest

from quintet.handover.errors import ModelAltered, ResourceNotFoundError
from quintet.handover.manifest import keys_of, opened, sealed
from quintet.handover.versions import Active
from quintet.kernel.errors import Conflict, Misconfigured, NotFound, TooLarge
from tests.handover.serving.world import KEY, OTHER_KEY, STRONGEST, World, weights_text


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "model")


def test_an_empty_deployment_has_the_packaged_model(world: World) -> None:
    assert [one.version for one in world.versions.list()] == ["1.0.0"]
    assert world.versions.active() == Active("1.0.0")
    assert world.versions.files("1.0.0")[0].kind == "lightgbm"


def test_numbers_are_given_in_turn(world: World) -> None:
    assert [world.publish() for _ in range(11)] == [f"1.0.{number}" for number in range(1, 12)]
    assert [one.version for one in world.versions.list()] == [f"1.0.{number}" for number in range(12)]
    assert world.versions.active().version == "1.0.0"


def test_a_named_version_takes_no_number(world: World) -> None:
    assert world.publish(version="berlin") == "berlin"
    assert world.publish(version="1.0.40") == "1.0.40"
    assert world.publish() == "1.0.41"
    assert [one.version for one in world.versions.list()] == ["1.0.0", "1.0.40", "1.0.41", "berlin"]


@pytest.mark.parametrize("taken", ["1.0.0", "1.0.1", "1.0.2"])
def test_a_version_is_never_replaced(world: World, taken: str) -> None:
    world.publish()
    world.publish()
    before = dict(world.objects._stored)
    with pytest.raises(Conflict):
        world.publish(version=taken)
    assert world.objects._stored == before


def test_the_newest_of_a_kind_goes_first(world: World) -> None:
    for kind in ("lstm", "lightgbm", "lstm"):
        world.clock.advance(60)
        world.publish(kind)
    assert world.versions.newest("lstm", 3) == ("1.0.3", "1.0.1")
    assert world.versions.newest("lightgbm", 3) == ("1.0.2", "1.0.0")
    assert world.versions.newest("lstm", 1) == ("1.0.3",)
    assert world.versions.newest("online", 3) == ()


def test_what_was_not_published_whole_is_nowhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = type(world.objects).put

    def fails(self: object, key: str, body: bytes, **how: str) -> None:
        if key.endswith("manifest.json"):
            raise ConnectionError
        put(world.objects, key, body, **how)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.objects), "put", fails)
        with pytest.raises(ConnectionError):
            world.publish()
    assert [one.version for one in world.versions.list()] == ["1.0.0"]
    with pytest.raises(ResourceNotFoundError):
        world.versions.activate("1.0.1", reason="test")
    assert world.publish() == "1.0.2"


def test_a_missing_version_is_not_found(world: World) -> None:
    for call in (world.versions.read, world.versions.files, lambda name: world.versions.activate(name, reason="t")):
        with pytest.raises(ResourceNotFoundError, match=r"no version 1\.0\.9.*api/models") as caught:
            call("1.0.9")
        assert caught.value.status == 404
    assert world.versions.active().version == "1.0.0"


@pytest.mark.parametrize("file", ["manifest.json", "pairs.onnx"])
@pytest.mark.parametrize("how", ["altered", "missing", "empty"])
def test_what_was_tampered_with_never_becomes_active(world: World, file: str, how: str) -> None:
    version = world.publish()
    key = world.key(version, file)
    if how == "altered":
        world.alter(version, file)
    elif how == "missing":
        world.objects.delete(key)
    else:
        world.objects.put(key, b"")
    with pytest.raises(ModelAltered, match=version) as caught:
        world.versions.activate(version, reason="test")
    assert caught.value.status == 409
    assert world.versions.active().version == "1.0.0"


def test_a_manifest_of_another_deployment_never_becomes_active(world: World) -> None:
    version = world.publish()
    theirs = sealed(opened(world.objects.get(world.key(version, "manifest.json"))[0], version, [KEY]), [OTHER_KEY])
    world.objects.put(world.key(version, "manifest.json"), theirs)
    with pytest.raises(ModelAltered, match="not signed"):
        world.versions.activate(version, reason="test")


def test_a_manifest_cannot_take_another_versions_place(world: World) -> None:
    """An old version that was withdrawn for good reason can't be served under a new name."""
    old, new = world.publish(), world.publish(weights=STRONGEST)
    for file in ("manifest.json", "pairs.onnx"):
        world.objects.put(world.key(new, file), world.objects.get(world.key(old, file))[0])
    with pytest.raises(ModelAltered, match=f"that of version {old}"):
        world.versions.activate(new, reason="test")


def test_switching_remembers_what_was_before(world: World) -> None:
    first, second = world.publish(), world.publish()
    world.versions.activate(first, reason="a")
    world.clock.advance(10)
    active = world.versions.activate(second, reason="b")
    assert active == world.versions.active()
    assert (active.version, active.reason, active.previous) == (second, "b", (first, "1.0.0"))
    assert active.since == world.clock.now().isoformat()
    assert world.versions.activate("1.0.0", reason="c").previous == (second, first)


def test_only_the_last_ones_are_remembered(world: World) -> None:
    versions = [world.publish() for _ in range(9)]
    for version in versions:
        world.versions.activate(version, reason="test")
    assert world.versions.active().previous == ("1.0.8", "1.0.7", "1.0.6", "1.0.5", "1.0.4")


def test_a_switch_that_was_overtaken_is_refused(world: World) -> None:
    """A candidate was compared with a version that is not the active one any more."""
    first, second, third = world.publish(), world.publish(), world.publish()
    world.versions.activate(first, reason="a", expect="1.0.0")
    world.versions.activate(second, reason="b", expect=first)
    with pytest.raises(Conflict, match=second):
        world.versions.activate(third, reason="c", expect=first)
    assert world.versions.active().version == second


def test_switching_to_what_is_active_changes_nothing(world: World) -> None:
    version = world.publish()
    active = world.versions.activate(version, reason="a")
    world.clock.advance(5)
    assert world.versions.activate(version, reason="b") == active


def test_a_missing_key_refuses(world: World) -> None:
    world.keys = ()
    object.__setattr__(world.versions, "keys", lambda: keys_of(""))
    with pytest.raises(Misconfigured, match="MODEL_SIGNING_KEY"):
        world.publish()
    assert world.objects.keys() == []


def test_live_weights_move_on_one_step_at_a_time(world: World) -> None:
    version = world.publish("online")
    assert world.versions.live(version) is None
    assert world.versions.keep_live(version, "one", expect=0).revision == 1
    assert world.versions.keep_live(version, "two", expect=1).revision == 2
    for stale in (0, 1, 3):
        with pytest.raises(Conflict):
            world.versions.keep_live(version, "three", expect=stale)
    assert world.versions.live(version) == ("two", 2)


def test_live_weights_of_another_hand_are_refused(world: World) -> None:
    version, other = world.publish("online"), world.publish("online")
    world.versions.keep_live(version, weights_text(), expect=0)
    world.keys = (OTHER_KEY,)
    with pytest.raises(ModelAltered, match="not signed"):
        world.versions.live(version)
    world.versions.keep_live(other, "theirs", expect=0)
    world.keys = (KEY,)
    with pytest.raises(ModelAltered, match="not signed"):
        world.versions.live(other)


def test_live_weights_have_a_limit(world: World) -> None:
    with pytest.raises(TooLarge):
        world.versions.keep_live(world.publish("online"), "x" * 400_000, expect=0)


def test_nothing_is_published_with_what_is_no_number(world: World) -> None:
    with pytest.raises(ValueError, match="finite"):
        world.versions.publish("lightgbm", {"pairs.onnx": b""}, features=(), importance={"a": float("nan")})
    with pytest.raises(NotFound):
        world.versions.read("1.0.1")


def test_the_manifest_says_what_was_published(world: World) -> None:
    version = world.publish("ensemble")
    manifest = world.versions.read(version)
    assert sorted(manifest.files) == ["ensemble.json", "pairs.onnx", "sequences.onnx"]
    assert manifest.trained_at == world.clock.now().isoformat()
    stored = json.loads(world.objects.get(world.key(version, "manifest.json"))[0])
    assert stored["manifest"]["schema"] == 1
    assert len(stored["signature"]) == 64
