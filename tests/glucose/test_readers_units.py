"""No value in mmol/L is ever taken for mg/dL: the header decides, else the values, and a contradiction is refused."""

import pytest

from quintet.glucose.errors import MalformedData
from quintet.glucose.readers import read

MINUTES = range(0, 60, 5)


def table(header: str, values: list[str]) -> bytes:
    rows = [f"2025-05-01 {place // 12:02}:{place % 12 * 5:02},{value}" for place, value in enumerate(values)]
    return "\n".join([header, *rows, ""]).encode()


def levels(header: str, values: list[str]) -> list[float]:
    return [round(level, 1) for level in read(table(header, values)).glucose.tolist()]


def refused(header: str, values: list[str]) -> str:
    with pytest.raises(MalformedData) as caught:
        read(table(header, values))
    return caught.value.message


@pytest.mark.parametrize(
    "header", ["time,glucose mmol/L", "Time,Glucose (mmol/l)", "Zeit,Blutzucker [mmol/L]", "fecha,mmol/L"]
)
def test_the_header_says_mmol(header: str) -> None:
    assert levels(header, ["7.8", "10.2"]) == [140.5, 183.8]


@pytest.mark.parametrize("header", ["time,glucose", "datetime,glucose", "Timestamp,BG", "Data,Glicemia"])
def test_without_a_unit_the_values_decide(header: str) -> None:
    assert levels(header, ["7.8", "10.2", "HI", ""])[:2] in ([140.5, 183.8], [140.5])
    assert levels(header, ["78", "102"]) == [78.0, 102.0]


@pytest.mark.parametrize("low", ["2.2", "1.1", "27.8"])
def test_the_whole_range_of_a_sensor_in_mmol_is_read(low: str) -> None:
    assert levels("time,glucose", [low, *["5.5", "6.1", "9.9"] * 4])[0] == round(float(low) * 18.0182, 1)


def test_a_header_that_contradicts_its_values_is_refused() -> None:
    assert "says mg/dL, but its values can only be mmol/L" in refused("time,glucose (mg/dL)", ["7.8", "6.2"])
    assert "says mmol/L, but its values can only be mg/dL" in refused("time,glucose (mmol/L)", ["140", "112"])


def test_decimals_that_were_cut_off_are_refused() -> None:
    assert "have a decimal" in refused("time,glucose", ["7", "8", "7"])
    assert "have a decimal" in refused("time,glucose (mmol/L)", ["7", "8", "7"] * 10)


def test_decimal_commas_that_end_cells_are_refused() -> None:
    assert "its comma taken for the end of a cell" in refused("time,glucose (mmol/L)", ["7,8", "6,2"] * 10)


def test_values_that_fit_no_unit_are_refused() -> None:
    assert "too low for any sensor" in refused("time,glucose", ["0.4", "0.9", "1.1"])
    assert "of both units" in refused("time,glucose (mg/dL)", ["140", "7.8", "112", "6.2", "5.5"])


def test_two_columns_of_glucose_are_refused_and_named_by_their_line() -> None:
    assert refused("time,glucose mg/dL,glucose mmol/L", ["100,5.6"]).startswith("Line 1 names more than one column")


def test_several_people_are_refused() -> None:
    people = b"id,time,gl\nA,2025-05-01 00:00,100\nB,2025-05-01 00:00,90\nB,2025-05-01 00:05,91\n"
    with pytest.raises(MalformedData, match="readings of 2 people"):
        read(people)
    assert len(read(people.replace(b"A,", b"B,"))) == 3


@pytest.mark.parametrize("header", ["time,glucose (mg/dL)", "time,glucose"])
def test_one_value_in_mmol_among_many_in_mg_is_refused(header: str) -> None:
    assert "of both units" in refused(header, [*["112", "115", "118"] * 40, "6.2"])


@pytest.mark.parametrize("header", ["time,glucose (mmol/L)", "time,glucose"])
def test_one_value_in_mg_among_many_in_mmol_is_refused(header: str) -> None:
    assert "of both units" in refused(header, [*["6.2", "6.4", "6.9"] * 40, "112"])
