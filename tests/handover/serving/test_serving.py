"""Which model answers, and what stands in for it."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from quintet.adapters.onnx_graph import OnnxGraph
from quintet.handover.errors import ModelAltered, ModelNotReadyError, ResourceNotFoundError
from quintet.handover.health import TrainingHealth
from quintet.handover.messages import Kind
from quintet.handover.selectors import LabelSelector, PairSelector
from quintet.handover.versions import Active
from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable
from quintet.kernel.rows import Place
from tests.handover.serving import graphs
from tests.handover.serving.world import STRONGEST, WEAKEST, World, described, files_of, look, package, weights_text

LOOK = look(-70.0, -80.0, -90.0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "model")


def best(serving: Any, kind: Kind | None = None) -> int:
    return int(np.argmax(serving.scores([LOOK], kind).scores[0]))


class TestActive:
    def test_an_empty_deployment_answers_at_once(self, world: World) -> None:
        assert world.serving.selector().version == "1.0.0"
        assert best(world.serving) == 0
        health = world.serving.health()
        assert (health.ready, health.active, health.serving, health.fallback_reason) == (True, "1.0.0", "1.0.0", None)
        assert health.metadata is not None
        assert (health.metadata.version, health.metadata.model_type) == ("1.0.0", "lightgbm")

    def test_a_switch_is_at_once_where_it_was_asked_for(self, world: World) -> None:
        version = world.publish(weights=WEAKEST)
        assert world.serving.selector().version == "1.0.0"
        assert world.serving.switch(version).version == version
        assert world.serving.selector().version == version
        assert best(world.serving) == 2

    def test_the_others_see_it_within_two_seconds(self, world: World) -> None:
        others = [world.environment() for _ in range(3)]
        for one in others:
            assert best(one) == 0
            world.seconds += 0.5
        world.serving.switch(world.publish(weights=WEAKEST))
        world.seconds += 1.99 - 1.5
        assert [best(one) for one in others] == [0, 0, 0]
        world.seconds += 0.5
        assert [best(one) for one in others] == [2, 0, 0]
        world.seconds += 1.01
        assert [best(one) for one in others] == [2, 2, 2]

    def test_the_row_is_read_once_in_two_seconds(self, world: World) -> None:
        reads = counted(world, "active")
        for _ in range(20):
            world.serving.scores([LOOK])
            world.seconds += 0.1
        assert reads == ["active"]
        world.seconds += 0.1
        world.serving.scores([LOOK])
        assert reads == ["active", "active"]

    def test_a_version_is_loaded_once(self, world: World) -> None:
        world.serving.switch(world.publish())
        reads = counted(world, "files")
        for _ in range(10):
            world.seconds += 3
            world.serving.scores([LOOK])
        assert reads == []

    def test_forgetting_looks_again(self, world: World) -> None:
        other = world.environment()
        assert other.selector().version == "1.0.0"
        world.versions.activate(world.publish(), reason="test")
        assert other.selector().version == "1.0.0"
        other.forget()
        assert other.selector().version == "1.0.1"


class TestSwitching:
    def test_a_missing_version_is_not_found(self, world: World) -> None:
        with pytest.raises(ResourceNotFoundError):
            world.serving.switch("9.9.9")
        assert world.serving.selector().version == "1.0.0"

    @pytest.mark.parametrize("file", ["manifest.json", "pairs.onnx"])
    def test_an_altered_version_is_refused(self, world: World, file: str) -> None:
        version = world.publish()
        world.alter(version, file)
        with pytest.raises(ModelAltered):
            world.serving.switch(version)
        assert world.versions.active() == Active("1.0.0")
        assert best(world.serving) == 0

    @pytest.mark.parametrize(
        "content", [b"no model", graphs.broken(), graphs.over_steps()], ids=["text", "nan", "other"]
    )
    def test_what_cannot_answer_is_never_activated(self, world: World, content: bytes) -> None:
        """Signed and whole, and still no model that this program can ask."""
        version = world.versions.publish("lightgbm", {"pairs.onnx": content}, **described("lightgbm")).version
        with pytest.raises(ModelAltered, match="can't be loaded"):
            world.serving.switch(version)
        assert world.versions.active() == Active("1.0.0")

    def test_goes_back_to_the_packaged_model(self, world: World) -> None:
        world.serving.switch(world.publish())
        assert world.serving.switch("1.0.0").previous == ("1.0.1",)
        assert best(world.serving) == 0

    def test_counts_although_it_failed_a_moment_ago(self, world: World) -> None:
        version = world.publish()
        key, content = world.key(version, "pairs.onnx"), world.objects.get(world.key(version, "pairs.onnx"))[0]
        world.versions.activate(version, reason="test")
        world.objects.delete(key)
        world.serving.forget()
        assert world.serving.selector().version == "1.0.0"
        world.objects.put(key, content)
        world.serving.switch(version)
        assert world.serving.selector().version == version
        assert world.serving.health().fallback_reason is None


class TestFallingBack:
    @pytest.fixture
    def chain(self, world: World) -> list[str]:
        """Three versions were active one after the other; none is loaded yet."""
        versions = [world.publish(weights=weights) for weights in (WEAKEST, STRONGEST, WEAKEST)]
        for version in versions:
            world.versions.activate(version, reason="test")
        return versions

    def test_the_version_before_answers(self, world: World, chain: list[str]) -> None:
        world.alter(chain[2], "pairs.onnx")
        assert world.serving.selector().version == chain[1]
        health = world.serving.health()
        assert (health.ready, health.active, health.serving) == (True, chain[2], chain[1])
        assert health.fallback_reason == f"The file pairs.onnx of version {chain[2]} is not the one that was published."
        assert health.metadata is not None
        assert health.metadata.version == chain[1]

    def test_one_after_the_other(self, world: World, chain: list[str]) -> None:
        world.alter(chain[2], "manifest.json")
        world.objects.delete(world.key(chain[1], "manifest.json"))
        assert world.serving.selector().version == chain[0]

    def test_at_last_the_packaged_model(self, world: World, chain: list[str]) -> None:
        for version in chain:
            world.alter(version, "pairs.onnx")
        assert world.serving.selector().version == "1.0.0"
        assert best(world.serving) == 0

    def test_a_bad_version_is_not_fetched_with_every_request(self, world: World, chain: list[str]) -> None:
        world.alter(chain[2], "pairs.onnx")
        world.serving.selector()
        reads = counted(world, "files")
        for _ in range(10):
            world.seconds += 2.5
            world.serving.scores([LOOK])
        assert reads == []
        world.seconds += 10
        world.serving.scores([LOOK])
        assert reads == [chain[2]]

    def test_a_mended_version_comes_back(self, world: World, chain: list[str]) -> None:
        key = world.key(chain[2], "pairs.onnx")
        content = world.objects.get(key)[0]
        world.alter(chain[2], "pairs.onnx")
        assert world.serving.selector().version == chain[1]
        world.objects.put(key, content)
        world.seconds += 31
        assert world.serving.selector().version == chain[2]
        assert world.serving.health().fallback_reason is None

    def test_a_model_that_fails_on_a_look_is_passed_over(self, world: World, chain: list[str]) -> None:
        loaded = world.serving.loaded.load(chain[2])
        broken = PairSelector("lightgbm", chain[2], OnnxGraph(graphs.broken()))
        world.serving.loaded.keep(loaded._replace(selector=broken), spare="")
        scored = world.serving.scores([LOOK])
        assert scored.selector.version == chain[1]
        assert np.isfinite(scored.scores[0]).all()
        assert "no number" in (world.serving.health().fallback_reason or "")

    def test_it_is_told_once(self, world: World, chain: list[str]) -> None:
        told: list[str] = []
        serving = world.environment(tell=told.append)
        for file_of in (chain[2], chain[1]):
            world.alter(file_of, "pairs.onnx")
        for _ in range(5):
            serving.scores([LOOK])
            world.seconds += 2.5
        assert told == [f"The file pairs.onnx of version {chain[2]} is not the one that was published."]
        serving.switch(chain[0])
        serving.scores([LOOK])
        cut_off(world)
        for _ in range(3):
            world.seconds += 2.5
            serving.scores([LOOK])
        assert len(told) == 2
        assert "the table is away" in told[1]

    def test_it_goes_on_while_the_table_is_away(self, world: World, chain: list[str]) -> None:
        assert world.serving.selector().version == chain[2]
        cut_off(world)
        world.seconds += 60
        assert world.serving.selector().version == chain[2]
        assert "can't be read" in (world.serving.health().fallback_reason or "")

    @pytest.mark.parametrize("why", [Unavailable, Misconfigured])
    def test_it_starts_while_the_table_is_away(self, world: World, chain: list[str], why: type[QuintetError]) -> None:
        cut_off(world, why)
        serving = world.environment(training=lambda: world.rows.read(Place("handover#runs", "newest")))
        assert serving.selector().version == "1.0.0"
        assert serving.selector("lightgbm").version == "1.0.0"
        health = serving.health()
        assert health.ready
        assert "the table is away" in (health.fallback_reason or "")

    def test_a_bucket_that_refuses_is_passed_over(
        self, world: World, chain: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*_: object) -> object:
            raise Misconfigured("the bucket: this function's role is refused")

        monkeypatch.setattr(type(world.objects), "get", refused)
        assert world.environment().selector().version == "1.0.0"

    def test_with_nothing_at_all_it_says_so(self, world: World, tmp_path: Path) -> None:
        for path in (tmp_path / "model").iterdir():
            path.unlink()
        with pytest.raises(ModelNotReadyError, match="api/train") as caught:
            world.environment().scores([LOOK])
        assert caught.value.status == 503
        assert not world.environment().health().ready


class TestKinds:
    def test_the_newest_of_a_kind_answers_by_name(self, world: World) -> None:
        world.publish("lstm")
        world.clock.advance(1)
        newest = world.publish("lstm")
        assert world.serving.selector("lstm").version == newest
        assert world.serving.selector().version == "1.0.0"
        assert world.serving.selector("lightgbm").version == "1.0.0"

    def test_the_active_one_goes_before_newer_ones(self, world: World) -> None:
        old = world.publish("lstm")
        world.clock.advance(1)
        world.publish("lstm")
        world.serving.switch(old)
        assert world.serving.selector("lstm").version == old

    def test_an_older_one_where_the_newest_is_broken(self, world: World) -> None:
        old = world.publish("lstm")
        world.clock.advance(1)
        world.alter(world.publish("lstm"), "sequences.onnx")
        assert world.serving.selector("lstm").version == old

    def test_a_new_one_is_known_within_two_seconds(self, world: World) -> None:
        old = world.publish("lstm")
        assert world.serving.selector("lstm").version == old
        world.clock.advance(1)
        new = world.publish("lstm")
        world.seconds += 2
        assert world.serving.selector("lstm").version == new

    @pytest.mark.parametrize("kind", ["lstm", "ensemble", "online", "fixed_labels"])
    def test_where_there_is_none_it_says_how_to_get_one(self, world: World, kind: Kind) -> None:
        with pytest.raises(ModelNotReadyError, match=f"No {kind} can answer.*api/train"):
            world.serving.selector(kind)

    def test_a_packaged_one_answers_by_name(self, world: World, tmp_path: Path) -> None:
        package(tmp_path / "model" / "fixed_labels", "fixed_labels", files_of("fixed_labels"), "1.0.0-labels")
        serving = World.environment(world)
        selector = serving.selector("fixed_labels")
        assert isinstance(selector, LabelSelector)
        assert selector.labels([LOOK])[0][::2] == ("antenna_3", False)
        assert serving.selector().kind == "lightgbm"
        cut_off(world)
        assert world.environment().selector("fixed_labels").kind == "fixed_labels"

    def test_the_wanted_kind_is_told_of_until_it_is_there(self, world: World) -> None:
        serving = world.environment(wanted="lstm")
        assert serving.selector().kind == "lightgbm"
        assert "No lstm model has been trained yet" in (serving.health().fallback_reason or "")
        serving.switch(world.publish("lstm"))
        assert serving.health().fallback_reason is None

    def test_the_packaged_model_can_be_chosen_against_the_wanted_kind(self, world: World) -> None:
        package(world.folder / "labels", "fixed_labels", files_of("fixed_labels"), "1.0.0-labels")
        serving = world.environment(wanted="fixed_labels")
        assert serving.selector().version == "1.0.0-labels"
        active = serving.switch("1.0.0")
        assert (active.version, active.previous) == ("1.0.0", ())
        assert serving.selector().version == "1.0.0"
        assert world.environment(wanted="fixed_labels").selector().version == "1.0.0"

    def test_a_switched_version_goes_before_the_wanted_kind(self, world: World) -> None:
        serving = world.environment(wanted="lstm")
        serving.switch(world.publish("online"))
        assert (serving.selector().kind, serving.health().fallback_reason) == ("online", None)


class TestLiveWeights:
    def test_are_seen_by_all_within_two_seconds(self, world: World) -> None:
        version = world.publish("online", STRONGEST)
        world.serving.switch(version)
        other = world.environment()
        assert (best(world.serving), best(other)) == (0, 0)
        world.versions.keep_live(version, weights_text(**WEAKEST), expect=0)
        world.seconds += 1.9
        assert (best(world.serving), best(other)) == (0, 0)
        world.seconds += 0.1
        assert (best(world.serving), best(other)) == (2, 2)

    def test_are_there_from_the_start(self, world: World) -> None:
        version = world.publish("online", STRONGEST)
        world.versions.keep_live(version, weights_text(**WEAKEST), expect=0)
        world.serving.switch(version)
        assert best(world.serving) == 2

    @pytest.mark.parametrize("text", ["no weights", "{}", weights_text().replace("0.5", "NaN")])
    def test_that_do_not_fit_change_nothing(self, world: World, text: str) -> None:
        version = world.publish("online", STRONGEST)
        world.serving.switch(version)
        world.versions.keep_live(version, text, expect=0)
        world.seconds += 3
        assert best(world.serving) == 0
        assert "can't be loaded" in (world.serving.health().fallback_reason or "")


class TestMemory:
    def test_old_models_go(self, world: World) -> None:
        graphs_: list[weakref.ref[object]] = []
        for _ in range(12):
            world.serving.switch(world.publish())
            selector = world.serving.selector()
            assert isinstance(selector, PairSelector)
            graphs_.append(weakref.ref(selector.graph))
            del selector
        gc.collect()
        assert [number for number, graph in enumerate(graphs_) if graph() is not None] == [9, 10, 11]

    def test_what_is_asked_by_name_does_not_displace_the_active_one(self, world: World) -> None:
        world.serving.switch(world.publish("lightgbm"))
        kinds: list[Kind] = ["lstm", "ensemble", "online", "fixed_labels"]
        for kind in kinds:
            world.publish(kind)
        for kind in kinds * 2:
            world.serving.selector(kind)
        reads = counted(world, "files")
        assert world.serving.selector().version == "1.0.1"
        assert reads == []


def test_training_is_told(world: World) -> None:
    training = TrainingHealth(run="r", status="failed", kind="lstm", since="2026-01-01", reason="two samples")
    assert world.environment(training=lambda: training).health().training == training


def test_nobody_waits_for_a_model_that_another_thread_loads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions go on with the version that they have while the row is being looked at."""
    assert world.serving.selector().version == "1.0.0"
    looking, go_on = Event(), Event()
    active = type(world.versions).active

    def slow(self: Any) -> Active:
        looking.set()
        assert go_on.wait(60)
        return active(self)

    monkeypatch.setattr(type(world.versions), "active", slow)
    world.seconds += 10
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(world.serving.selector)
        assert looking.wait(60)
        assert world.serving.selector().version == "1.0.0"
        go_on.set()
        assert first.result(60).version == "1.0.0"


def counted(world: World, what: str) -> list[str]:
    """Each call of `versions.what` from now on: what it was asked, or `what` itself."""
    calls: list[str] = []
    original = getattr(world.versions, what)

    def counting(*asked: str) -> object:
        calls.append(asked[0] if asked else what)
        return original(*asked)

    object.__setattr__(world.versions, what, counting)
    return calls


def cut_off(world: World, why: type[QuintetError] = Unavailable) -> None:
    def away(*_: object, **__: object) -> object:
        raise why("the table is away")

    for name in ("read", "list"):
        object.__setattr__(world.rows, name, away)
