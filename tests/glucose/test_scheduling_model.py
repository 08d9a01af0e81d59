"""Whatever comes in whatever order: one worker does what a model of a few lines says, step for step."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from quintet.glucose.ports import Priority
from quintet.kernel.errors import InvalidInput, Overloaded
from tests.glucose.office import Call, Office, Work

CAPACITY = 4
ROOM_FOR_UNATTENDED = 3
KEYS = st.sampled_from("abcdef")
PRIORITIES = st.sampled_from(list(Priority))


@dataclass(eq=False)
class Expected:
    """A computation as the model sees it; `name` is that of the request whose work is done."""

    key: str
    name: str
    priority: Priority
    later: Priority | None = None
    calls: list[Call] = field(default_factory=list)


class OneWorker(RuleBasedStateMachine):
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(capacity=CAPACITY)
        self.line: list[Expected] = []
        self.delayed: list[Expected] = []
        self.running: Expected | None = None
        self.work: Work | None = None
        self.names = 0
        self.dropped = 0

    @rule(target=waiting, key=KEYS, priority=PRIORITIES)
    def somebody_calls(self, key: str, priority: Priority) -> object:
        name = self.new_name()
        known = self.known(key)
        if known is None or known in self.delayed:
            if len(self.line) >= CAPACITY:
                with pytest.raises(Overloaded):
                    self.office.call(key, priority=priority, name=name)
                return None
            known = self.enter(known or Expected(key, name, priority), priority)
        elif known is not self.running and priority < known.priority:
            self.place(known, priority)
        call = self.office.call(key, priority=priority, name=name)
        known.calls.append(call)
        self.start_next()
        return call

    @rule(key=KEYS, priority=PRIORITIES, delay=st.sampled_from([0, 3600]))
    def somebody_asks_for_later(self, key: str, priority: Priority, delay: float) -> None:
        name, known = self.new_name(), self.known(key)
        if known is not None:
            known.later = priority if known.later is None else min(priority, known.later)
            if known in self.line and priority < known.priority:
                self.place(known, priority)
            accepted = True
        else:
            accepted = len(self.line) + len(self.delayed) < ROOM_FOR_UNATTENDED
            self.dropped += not accepted
            if accepted:
                one = Expected(key, name, priority, later=priority)
                (self.delayed if delay else self.line).append(one)
        work = Work(name, self.office.started)
        assert self.office.scheduler.later(key, work, priority=priority, delay=delay) is accepted
        self.start_next()

    @rule(call=consumes(waiting))
    def somebody_leaves(self, call: Call | None) -> None:
        one = self.waited_for(call)
        if call is None or one is None:
            return
        call.gone()
        one.calls.remove(call)
        if one.calls:
            return
        if one in self.line:
            self.line.remove(one)
            if one.later is not None and len(self.line) < ROOM_FOR_UNATTENDED:
                one.priority = one.later
                self.line.append(one)
            else:
                self.dropped += one.later is not None
        elif one.later is None:
            assert self.work is not None
            self.running = None
            self.start_next()

    @precondition(lambda self: self.running is not None)
    @rule(well=st.booleans())
    def the_work_ends(self, well: bool) -> None:
        assert self.work is not None
        assert self.running is not None
        self.running.calls.append(self.office.call(self.running.key))  # at least one sees the end
        self.work.error = None if well else InvalidInput(self.running.name)
        self.work.end.set()
        for call in self.running.calls:
            if well:
                assert call.result() == self.running.name
            else:
                with pytest.raises(InvalidInput, match=f"^{self.running.name}$"):
                    call.result()
        self.running = None
        self.start_next()

    @invariant()
    def the_queue_is_as_long_as_expected(self) -> None:
        state = self.office.scheduler.state()
        assert (state.size, state.dropped) == (len(self.line), self.dropped)
        assert state.size <= CAPACITY

    @invariant()
    def nothing_runs_that_should_not(self) -> None:
        assert self.office.started.empty()

    def teardown(self) -> None:
        self.office.close()

    def new_name(self) -> str:
        self.names += 1
        return f"work {self.names}"

    def known(self, key: str) -> Expected | None:
        everything = [*self.line, *self.delayed, *([self.running] if self.running else [])]
        return next((one for one in everything if one.key == key), None)

    def waited_for(self, call: Call | None) -> Expected | None:
        everything = [*self.line, *([self.running] if self.running else [])]
        return next((one for one in everything if call in one.calls), None)

    def enter(self, one: Expected, priority: Priority) -> Expected:
        unattended = [other for other in self.line if not other.calls]
        if len(self.line) >= ROOM_FOR_UNATTENDED and unattended:
            self.line.remove(max(unattended, key=lambda other: other.priority))
            self.dropped += 1
        if one in self.delayed:
            self.delayed.remove(one)
        self.line.append(one)
        one.priority = priority
        return one

    def place(self, one: Expected, priority: Priority) -> None:
        """Newest of that priority."""
        self.line.remove(one)
        one.priority = priority
        self.line.append(one)

    def start_next(self) -> None:
        """The line is in order of arrival: the last of the most urgent is next."""
        if self.running is None and self.line:
            self.running = min(reversed(self.line), key=lambda one: one.priority)
            self.line.remove(self.running)
            self.work = self.office.next()
            assert self.work.name == self.running.name


TestOneWorker = OneWorker.TestCase
TestOneWorker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
