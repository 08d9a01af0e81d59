"""Batches come together by index, whatever comes in whichever order, how often and from which side."""

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.calibration.join import Acceptance, Conflict, Frontier, Join, Missing
from quintet.calibration.messages import Side

SIDES: tuple[Side, Side] = ("inputs", "outputs")


@dataclass(frozen=True)
class Sent:
    side: Side
    index: int
    last: bool = False
    content: str = "a"
    bare: bool = False


def put(join: Join, sent: Sent) -> Acceptance:
    half = (sent.side, sent.index, sent.last, sent.bare, sent.content.encode())
    known = join.knows(*half)
    acceptance = join.accept(*half)
    assert known == (acceptance == "duplicate")
    assert join.knows(*half)
    return acceptance


def joined(*all_sent: Sent) -> Join:
    join = Join()
    for sent in all_sent:
        put(join, sent)
    return join


def stream(batches: int) -> list[Sent]:
    """Both sides as the original's clients send them: the last batch tells the end."""
    return [Sent(side, index, index == batches - 1) for index in range(batches) for side in SIDES]


@st.composite
def orders(draw: st.DrawFn) -> list[Sent]:
    """A whole stream, shuffled, some of it more than once."""
    sent = stream(draw(st.integers(1, 8)))
    again = draw(st.lists(st.sampled_from(sent), max_size=10))
    return draw(st.permutations(sent + again))


anything = st.lists(
    st.builds(Sent, st.sampled_from(SIDES), st.integers(0, 4), st.booleans(), st.sampled_from("abc"))
    | st.builds(Sent, st.sampled_from(SIDES), st.integers(0, 6), st.just(True), st.just(""), st.just(True)),
    max_size=30,
)


# Join


@given(orders())
def test_a_stream_is_complete_exactly_when_all_of_it_has_come(order: list[Sent]) -> None:
    join, whole = Join(), set(order)
    for place, sent in enumerate(order):
        assert put(join, sent) == ("duplicate" if sent in order[:place] else "new")
        assert join.complete == (set(order[: place + 1]) == whole)
    assert join.joined == join.expected == len(whole) / 2
    assert join.duplicates == len(order) - len(whole)
    assert join.size == len(whole)
    assert join.conflicts == []
    assert join.missing() == Missing((), (), ())


@given(anything, st.randoms(use_true_random=False))
def test_what_is_known_at_the_end_owes_nothing_to_the_order(all_sent: list[Sent], random: Random) -> None:
    shuffled = list(all_sent)
    random.shuffle(shuffled)
    one, other = joined(*all_sent), joined(*shuffled)
    assert (one.joined, one.expected, one.complete, one.conflicts) == (
        other.joined,
        other.expected,
        other.complete,
        other.conflicts,
    )
    assert one.missing() == other.missing()


@given(anything)
def test_only_what_is_kept_makes_a_difference(all_sent: list[Sent]) -> None:
    """What a journal of all but duplicates tells is what was known; and all of it again is duplicates."""
    join = Join()
    kept = [sent for sent in all_sent if put(join, sent) != "duplicate"]
    assert join.size == len(kept)
    replayed = Join()
    assert "duplicate" not in [put(replayed, sent) for sent in kept]
    assert (replayed.conflicts, replayed.missing(), replayed.joined) == (join.conflicts, join.missing(), join.joined)
    assert {put(join, sent) for sent in all_sent} <= {"duplicate"}


@given(anything)
def test_each_content_counts_once_and_the_first_stays(all_sent: list[Sent]) -> None:
    join, first = Join(), dict[tuple[Side, int], str]()
    for sent in all_sent:
        acceptance = put(join, sent)
        if not sent.bare:
            new = (sent.side, sent.index) not in first
            assert (acceptance == "new") == new
            first.setdefault((sent.side, sent.index), sent.content)
    both = Counter(index for _, index in first)
    assert join.joined == sum(count == 2 for count in both.values())
    contents = {(sent.side, sent.index, sent.content) for sent in all_sent if not sent.bare}
    assert sum(conflict.kind == "content" for conflict in join.conflicts) == len(contents) - len(first)


def test_a_conflict_is_recorded_once() -> None:
    join = joined(Sent("outputs", 3, content="a"))
    assert put(join, Sent("outputs", 3, content="b")) == "conflict"
    assert put(join, Sent("outputs", 3, content="b")) == "duplicate"
    assert put(join, Sent("outputs", 3, content="a")) == "duplicate"
    assert join.conflicts == [Conflict(3, "outputs", "content")]
    assert join.conflicts[0].text() == "outputs 3 came again with other content; the first counts"


def test_conflicts_are_told_in_order_and_each_of_them() -> None:
    later = [Sent("outputs", 9, content=content) for content in "abc"]
    earlier = [Sent("inputs", 9, content=content) for content in "ab"]
    first = [Sent("outputs", 2, last=True), Sent("outputs", 2, content="b")]
    conflicts = joined(*later, *earlier, *first).conflicts
    assert [(conflict.index, conflict.side, conflict.kind) for conflict in conflicts] == [
        (2, "outputs", "content"),
        (2, "outputs", "end"),
        (9, "inputs", "content"),
        (9, "outputs", "content"),
        (9, "outputs", "content"),
    ]


def test_an_end_that_only_a_copy_tells_counts() -> None:
    join = joined(Sent("inputs", 0), Sent("outputs", 0, last=True))
    assert not join.complete
    assert put(join, Sent("inputs", 0, last=True)) == "end"
    assert join.complete
    assert join.conflicts == []
    assert put(join, Sent("inputs", 0)) == put(join, Sent("inputs", 0, last=True)) == "duplicate"


def test_an_end_that_a_conflicting_copy_tells_counts() -> None:
    join = joined(Sent("inputs", 0), Sent("outputs", 0, last=True))
    assert put(join, Sent("inputs", 0, last=True, content="b")) == "conflict"
    assert join.complete
    assert put(join, Sent("inputs", 0, last=True, content="b")) == "duplicate"


def test_an_index_beyond_the_last_is_a_conflict() -> None:
    join = joined(*stream(3), Sent("outputs", 3))
    assert join.conflicts == [Conflict(2, "outputs", "end")]
    assert join.conflicts[0].text() == "outputs 2 was called the last, but later ones came"
    assert not join.complete
    assert join.missing().text() == "inputs 3"


def test_two_last_indexes_are_a_conflict() -> None:
    join = joined(Sent("inputs", 4, last=True), Sent("inputs", 2, last=True))
    assert join.conflicts == [Conflict(2, "inputs", "end")]
    assert join.expected == 5


@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_end_alone_completes_whatever_index_it_has(index: int) -> None:
    """The last batch's, the next one, or none."""
    join = joined(*(Sent(side, at) for side in SIDES for at in range(2)))
    assert not join.complete
    assert [put(join, Sent(side, index, last=True, bare=True)) for side in SIDES] == ["end", "end"]
    assert join.complete
    assert join.conflicts == []
    assert put(join, Sent("inputs", index, last=True, bare=True)) == "duplicate"
    assert put(join, Sent("inputs", 1)) == "duplicate"


def test_an_end_alone_that_comes_early_expects_what_its_index_says() -> None:
    join = joined(Sent("inputs", 2, last=True, bare=True), Sent("outputs", 2, last=True, bare=True))
    assert not join.complete
    assert join.missing().text() == "inputs 0–1 and outputs 0–1"
    for sent in stream(2):
        put(join, sent)
    assert join.complete


def test_a_session_that_never_had_a_batch_ends() -> None:
    join = joined(Sent("inputs", 0, last=True, bare=True))
    assert (join.ended("inputs"), join.ended("outputs"), join.complete) == (True, False, False)
    put(join, Sent("outputs", 0, last=True, bare=True))
    assert join.complete
    assert join.joined == 0


@given(st.integers(1, 9), st.sets(st.tuples(st.sampled_from(SIDES), st.integers(0, 8))))
def test_what_is_missing_is_named(batches: int, lost: set[tuple[Side, int]]) -> None:
    come = [sent for sent in stream(batches) if (sent.side, sent.index) not in lost]
    missing = joined(*come).missing()
    highest = max((sent.index for sent in come), default=-1)
    for side, spans in zip(SIDES, (missing.inputs, missing.outputs), strict=True):
        named = [index for span in spans for index in span]
        assert named == [index for index in range(highest + 1) if Sent(side, index, index == batches - 1) not in come]
        assert (side in missing.ends) == (Sent(side, batches - 1, last=True) not in come)


def test_a_single_index_far_away_costs_nothing() -> None:
    join = joined(Sent("inputs", 1_000_000))
    assert join.missing().inputs == (range(1_000_000),)
    assert join.missing().text() == ("inputs 0–999999, outputs 0–1000000, the end of inputs and the end of outputs")


TEXTS = [
    (Missing((), (), ()), "nothing"),
    (Missing((), (), ("inputs", "outputs")), "the end of inputs and the end of outputs"),
    (Missing((range(3, 4), range(7, 10)), (), ("outputs",)), "inputs 3, 7–9 and the end of outputs"),
    (Missing((range(1),), (range(2),), ("outputs",)), "inputs 0, outputs 0–1 and the end of outputs"),
    (Missing((), (range(4, 6),), ()), "outputs 4–5"),
]


@pytest.mark.parametrize(("missing", "text"), TEXTS)
def test_what_is_missing_is_told_in_words(missing: Missing, text: str) -> None:
    assert missing.text() == text


def test_of_many_gaps_the_first_are_told() -> None:
    text = Missing(tuple(range(index, index + 1) for index in range(0, 60, 2)), (), ()).text()
    assert text.startswith("inputs 0, 2, 4")
    assert text.endswith("36, 38 and 10 more")


# Frontier


@dataclass(frozen=True)
class Content:
    side: Side
    index: int
    copy: int = 0

    @property
    def memory(self) -> int:
        return 100 + self.index


def given_of(sent: Sent, frontier: Frontier[Content], copy: int = 0) -> list[int]:
    pairs = frontier.put(sent.index, sent.side, Content(sent.side, sent.index, copy))
    for index, inputs, outputs in pairs:
        assert (inputs.side, outputs.side) == SIDES
        assert inputs.index == outputs.index == index
    return [index for index, _, _ in pairs]


@given(orders())
def test_pairs_are_given_in_order_and_each_once(order: list[Sent]) -> None:
    frontier, come = Frontier[Content](), list[int]()
    for place, sent in enumerate(order):
        come += given_of(sent, frontier)
        halves = {(one.side, one.index) for one in order[: place + 1]}
        known = {index for _, index in halves if {("inputs", index), ("outputs", index)} <= halves}
        ready = next(index for index in range(len(order) + 1) if index not in known)
        assert come == list(range(ready))
        assert frontier.next == ready
        assert frontier.held_bytes == sum(100 + index for _, index in halves if index >= ready)
    assert frontier.held_bytes == 0
    assert frontier.flush() == []


@given(st.lists(st.tuples(st.sampled_from(SIDES), st.integers(0, 6)), max_size=20))
def test_at_the_end_the_rest_is_given_over_the_gaps(halves: list[tuple[Side, int]]) -> None:
    frontier = Frontier[Content]()
    come = [index for side, index in halves for index in given_of(Sent(side, index), frontier)]
    come += [index for index, _, _ in frontier.flush()]
    assert come == sorted({index for _, index in halves if {("inputs", index), ("outputs", index)} <= set(halves)})
    assert frontier.flush() == []
    if come:
        assert given_of(Sent("inputs", come[-1]), frontier) == []


def test_the_rest_is_given_in_order_and_nothing_after_it_goes_back() -> None:
    frontier = Frontier[Content]()
    for sent in [Sent(side, index) for index in (1000, 33, 8, 1) for side in SIDES]:
        assert given_of(sent, frontier) == []
    assert [index for index, _, _ in frontier.flush()] == [1, 8, 33, 1000]
    assert [given_of(Sent(side, index), frontier) for index in (0, 9, 1000) for side in SIDES] == [[]] * 6
    assert [given_of(Sent(side, 1001), frontier) for side in SIDES] == [[], [1001]]
    assert frontier.held_bytes == 0


def test_the_first_content_stays() -> None:
    frontier = Frontier[Content]()
    assert given_of(Sent("inputs", 0), frontier) == []
    assert given_of(Sent("inputs", 0), frontier, copy=1) == []
    assert frontier.held_bytes == 100
    assert frontier.put(0, "outputs", Content("outputs", 0)) == [(0, Content("inputs", 0), Content("outputs", 0))]
    assert given_of(Sent("inputs", 0), frontier, copy=1) == []
    assert frontier.held_bytes == 0


def test_what_is_dropped_gives_nothing_more() -> None:
    frontier = Frontier[Content]()
    given_of(Sent("inputs", 1), frontier)
    frontier.drop()
    assert (frontier.dropped, frontier.held_bytes) == (True, 0)
    assert [given_of(sent, frontier) for sent in stream(2)] == [[], [], [], []]
    assert frontier.flush() == []
    assert frontier.held_bytes == 0
