"""Whose name a client's is, and how it is registered."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.owners import NOBODY, OWNERS, Owners
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Conflict, NotFound, PermissionDenied
from quintet.kernel.rows import Place
from tests.aggregation.interrupted import Fate, InterruptedRows

KEY = bytes(range(32))


@pytest.fixture
def owners() -> Owners:
    clock = SteppedClock()
    return Owners(MemoryRows(clock), clock)


def register(
    owners: Owners,
    caller: str,
    *,
    client: str = "h1",
    port: int = 7100,
    key: bytes | None = KEY,
    force: bool = False,
) -> None:
    owners.register(client, caller, port=port, crt="crt", signing_key=key, force=force, address="10.1.2.3")


class TestNames:
    def test_a_name_is_its_first_callers(self, owners: Owners) -> None:
        for _ in range(2):
            owners.claim("h1", "key-1")
        for refused in (owners.claim, owners.check):
            with pytest.raises(PermissionDenied, match="'h1' belongs to another caller"):
                refused("h1", "key-2")
        owners.check("h1", "key-1")

    def test_asking_for_an_unknown_name_makes_it_nobodys(self, owners: Owners) -> None:
        with pytest.raises(PermissionDenied, match="'h1' is not known"):
            owners.check("h1", "key-1")
        assert owners.find("h1") is None

    def test_one_of_many_gets_it(self, owners: Owners) -> None:
        def claim(number: int) -> bool:
            try:
                owners.claim("h1", f"key-{number}")
            except PermissionDenied:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(claim, range(32))) == 1

    def test_whoever_comes_in_between_has_it(self, owners: Owners) -> None:
        fate = Fate(1, "before", instead=lambda: owners.claim("h1", "key-2"))
        slow = Owners(InterruptedRows(owners.rows, fate), owners.clock)
        with pytest.raises(PermissionDenied):
            slow.claim("h1", "key-1")
        assert owners.read("h1").caller == "key-2"

    def test_a_name_lasts(self, owners: Owners) -> None:
        owners.claim("h1", "key-1")
        assert isinstance(owners.clock, SteppedClock)
        owners.clock.advance(10 * 365 * 86400)
        assert owners.read("h1").caller == "key-1"


class TestRegistering:
    def test_a_client_that_reported_before_registers_without_force(self, owners: Owners) -> None:
        owners.claim("h1", "key-1")
        assert list(owners.all()) == []
        register(owners, "key-1")
        (owner,) = owners.all()
        assert (owner.caller, owner.address, owner.port, owner.crt) == ("key-1", "10.1.2.3", 7100, "crt")

    def test_it_is_registered_once(self, owners: Owners) -> None:
        register(owners, "key-1")
        with pytest.raises(Conflict, match="Client entry creation"):
            register(owners, "key-1", port=1)
        register(owners, "key-1", port=1, force=True)
        assert owners.read("h1").port == 1

    def test_the_same_again_and_again_is_one(self, owners: Owners) -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: register(owners, "key-1", force=True), range(32)))
        assert owners.read("h1").version == 1

    def test_several_that_differ_come_one_after_the_other(self, owners: Owners) -> None:
        register(owners, "key-1")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda port: register(owners, "key-1", port=port, force=True), range(4)))
        assert owners.read("h1").port in range(4)
        assert owners.read("h1").version == 5

    @pytest.mark.parametrize("force", [False, True])
    def test_another_caller_registers_nothing(self, owners: Owners, force: bool) -> None:
        register(owners, "key-1")
        with pytest.raises(PermissionDenied):
            register(owners, "key-2", port=1, force=force)
        assert owners.read("h1").port == 7100

    def test_who_is_connected_has_a_key(self, owners: Owners) -> None:
        register(owners, "key-1")
        register(owners, "key-2", client="h2", key=None)
        owners.claim("h3", "key-3")
        assert list(owners.connected(["h1", "h2", "h3", "h4"])) == ["h1"]
        with pytest.raises(NotFound):
            owners.read("h4")

    def test_all_are_told_however_many(self, owners: Owners) -> None:
        for number in range(450):
            register(owners, "key-1", client=f"h{number:03d}")
        assert [owner.client for owner in owners.all()] == [f"h{number:03d}" for number in range(450)]

    def test_a_record_says_its_version(self, owners: Owners) -> None:
        register(owners, "key-1")
        assert owners.rows.read(Place(OWNERS, "h1"))["schema"] == 1


class TestAdministrators:
    def test_one_registers_for_whoever_comes_first(self, owners: Owners) -> None:
        register(owners, NOBODY)
        owners.check("h1", "key-1")
        with pytest.raises(PermissionDenied):
            owners.claim("h1", "key-2")

    def test_one_leaves_a_name_to_who_has_it(self, owners: Owners) -> None:
        owners.claim("h1", "key-1")
        register(owners, NOBODY)
        assert owners.read("h1").caller == "key-1"

    def test_by_force_one_frees_a_name(self, owners: Owners) -> None:
        register(owners, "key-1")
        register(owners, NOBODY, force=True)
        owners.claim("h1", "key-2")
        with pytest.raises(PermissionDenied):
            owners.check("h1", "key-1")
