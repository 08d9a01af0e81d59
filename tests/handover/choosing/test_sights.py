"""From a request to a sight."""

from typing import Any

import pytest

from quintet.handover.errors import Unanswerable
from quintet.handover.messages import Measurement
from quintet.handover.sights import Candidate, sight_of
from quintet.kernel.errors import InvalidInput


def measurement(**said: Any) -> Measurement:
    return Measurement.model_validate({"rf_metrics": {"a": {"rsrp": -80.0}}} | said)


@pytest.mark.parametrize("cells", [None, {}, {"a": {}}, {"a": {"cell_load": 0.5}}])
def test_without_a_measurement_there_is_no_answer(cells: Any) -> None:
    with pytest.raises(Unanswerable, match="rf_metrics") as refusal:
        sight_of(measurement(rf_metrics=cells), 0.0)
    assert refusal.value.status == 422


def test_a_cell_that_was_not_measured_is_not_heard() -> None:
    sight = sight_of(measurement(rf_metrics={"b": {}, "a": {"sinr": 3.0}}), 0.0)
    assert sight.candidates == (Candidate("a", -120.0, 3.0, -30.0, 0.0),)


def test_cells_come_in_the_order_of_their_names() -> None:
    cells: dict[str, Any] = {name: {"rsrp": -80.0, "sinr": 1.0, "rsrq": -9.0, "cell_load": 0.5} for name in "cab"}
    assert [one.cell for one in sight_of(measurement(rf_metrics=cells), 0.0).candidates] == ["a", "b", "c"]


def test_positions_are_kept_as_they_were_sent() -> None:
    sight = sight_of(measurement(latitude=-22.3, longitude=-53.7, direction=[0.6, 0.8, 0.0]), 0.0)
    assert (sight.x, sight.y, sight.direction_x, sight.direction_y) == (-22.3, -53.7, 0.6, 0.8)
    assert sight_of(measurement(), 0.0).x is None


def test_a_serving_cell_that_is_not_heard_has_the_missing_values() -> None:
    sight = sight_of(measurement(connected_to="b"), 0.0)
    assert sight.heard("b") is None
    assert sight.reference() == Candidate("b", -120.0, 0.0, -30.0, 0.0)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (None, 5.0),
        (1700000000.25, 1700000000.25),
        ("2023-11-14T22:13:20+00:00", 1700000000.0),
        ("2023-11-14T23:13:20+01:00", 1700000000.0),
        ("2023-11-14T22:13:20", 1700000000.0),
        ("2023-11-14T22:13:20Z", 1700000000.0),
    ],
)
def test_a_sight_is_of_its_own_time(timestamp: Any, at: float) -> None:
    assert sight_of(measurement(timestamp=timestamp), 5.0).at == at


def test_a_timestamp_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInput, match="timestamp"):
        sight_of(measurement(timestamp="yesterday"), 5.0)
