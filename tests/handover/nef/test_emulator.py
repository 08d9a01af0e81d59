"""The stand-in for the emulators: it answers as they were heard to."""

import json

import pytest

from infra.local.demo.nef_emulator import API, Emulator, Reply
from infra.local.demo.nef_world import CELLS, World, nearest
from tests.handover.nef_emulators import RECORDED_FORK, RECORDED_ORIGINAL

UE = "202010000000001"


def asked(emulator: Emulator, method: str, path: str, body: object = None) -> Reply:
    emulator.tokens.add("t")
    return emulator.reply(method, API + path, {"authorization": "Bearer t"}, json.dumps(body).encode())


@pytest.mark.parametrize("kind", ["original", "fork"])
def test_its_states_have_the_recorded_fields(kind: str) -> None:
    emulator = Emulator(kind, now=lambda: 0.0)  # type: ignore[arg-type]
    emulator.start_all()
    state = asked(emulator, "GET", "/ue_movement/state-ues").content[UE]
    recorded = set(json.loads(RECORDED_ORIGINAL)[UE])
    assert set(state) == recorded | ({"rsrp", "sinr"} if kind == "fork" else set())
    assert isinstance(state["speed"], str)


def test_its_radio_has_the_recorded_fields() -> None:
    emulator = Emulator("fork", now=lambda: 0.0)
    emulator.start_all()
    said = asked(emulator, "GET", f"/ml/state/{UE}").content
    assert set(json.loads(RECORDED_FORK)) <= set(said)
    for table in ("neighbor_rsrp_dbm", "neighbor_sinrs", "neighbor_rsrqs", "neighbor_cell_loads"):
        assert set(said[table]) == {cell.name for cell in CELLS}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ue-movement/state-ues", 404), ("GET", f"/ml/state/{UE}", 404), ("GET", "/paths/", 307),
        ("GET", "/paths", 200), ("GET", "/elsewhere", 404),
    ],
)  # fmt: skip
def test_the_originals_oddities(method: str, path: str, status: int) -> None:
    assert asked(Emulator("original"), method, path).status == status


def test_loops() -> None:
    emulator = Emulator("original", now=lambda: 0.0)
    assert asked(emulator, "GET", "/ue_movement/state-ues").content == {}
    assert asked(emulator, "POST", "/ue_movement/start-loop", {"supi": UE}).content == {"msg": "Loop started"}
    assert asked(emulator, "GET", f"/ue_movement/state-loop/{UE}").content == {"running": True}
    assert list(asked(emulator, "GET", "/ue_movement/state-ues").content) == [UE]
    assert asked(emulator, "POST", "/ue_movement/stop-loop", {"supi": UE}).content == {"msg": "Loop ended"}
    assert asked(emulator, "POST", "/ue_movement/stop-loop", {"supi": UE}).status == 409
    assert asked(emulator, "POST", "/ue_movement/start-loop", {"supi": "x"}).status == 404


def test_a_round_goes_through_every_cell_and_out_of_them() -> None:
    world = World()
    ue = world.ues["202010000000002"]
    world.start(ue.supi, 0.0)
    served = {world.plain(ue, float(second))["cell_id_hex"] for second in range(90)}
    assert served == {cell.name for cell in CELLS} | {None}
    places = [world.features(ue, float(second)) for second in range(90)]
    assert min(place["latitude"] for place in places) < -100
    best = {max(said := place["neighbor_rsrp_dbm"], key=said.__getitem__) for place in places}
    assert best == {cell.name for cell in CELLS}


def test_a_cell_is_the_nearest_in_whose_radius_a_ue_is() -> None:
    for cell in CELLS:
        assert nearest(cell.place) == cell
    assert nearest((38.5, 23.8)) is None
