"""What is no export, or a damaged one: a typed refusal that says what and where, and never shows the patient's data."""

import io
import zipfile
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.glucose.errors import MalformedData, MissingColumn, UnknownFormat, ZeroValidInput
from quintet.glucose.readers import read
from quintet.glucose.unified import UnifiedTrace
from quintet.kernel.errors import InvalidInput
from tests.glucose.foreign_exports import by_spreadsheet, clarity_in, entries, libreview_in
from tests.glucose.vendor_exports import LAYOUTS, dexcom, libre, moments

HEADER = (
    "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
    "Glucose Value (mg/dL),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),"
    "Glucose Rate of Change (mg/dL/min),Transmitter Time (Long Integer),Transmitter ID\n"
)
UNIFIED = "sequence_id,original_datetime,quality,event_type,datetime,glucose,carbs\n"
NIGHTSCOUT = "# CGM ENTRIES\nDate,Time,Glucose (mg/dL)\n1/1/2025,1:00:00 AM,100\n"


def reading(glucose: str = "144", time: str = "2025-05-01 00:01:47") -> str:
    return f"11,{time},EGV,,,,android G6,{glucose},,,,,4240874,8AM1EY\n"


def workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


NO_EXPORTS = {
    "nothing": (b"", "empty"),
    "blanks": (b" \r\n\t\n", "empty"),
    "a mark alone": (b"\xef\xbb\xbf", "none of the known layouts"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(64), "JPEG"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
    "Excel": (workbook(), "Excel"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip"),
    "HTML": (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
    "JSON": (b'[{"sgv": 120}]', "JSON, but holds no entries"),
    "prose": (b"Dear doctor,\nplease find my glucose attached.\n", "none of the known layouts"),
    "NUL bytes": ((HEADER + reading()).encode() + bytes(10), "NUL"),
    "20 MB of noise": (np.random.default_rng(0).bytes(20_000_000), "NUL"),
    "20 MB of letters": (b"A" * 20_000_000, "none of the known layouts"),
    "a research data set": (b"Timestamp,Libre GL,Dexcom GL\n", "CGMacros"),
    "the extended format": (b"sequence_id,datetime,glucose,annotations\n", "extended unified format"),
}


@pytest.mark.parametrize("what", NO_EXPORTS)
def test_what_is_no_export_is_named(what: str) -> None:
    content, says = NO_EXPORTS[what]
    with pytest.raises(UnknownFormat, match=says):
        read(content)


def refused(text: str, error: type[InvalidInput]) -> str:
    with pytest.raises(error) as caught:
        read(text.encode())
    return caught.value.message


def test_only_a_header() -> None:
    assert "no event" in refused(HEADER, ZeroValidInput)
    assert "no rows" in refused(UNIFIED, ZeroValidInput)


def test_only_rows_about_the_patient() -> None:
    refused(HEADER + "1,,FirstName,,Ada,,,,,,,,,\n", ZeroValidInput)


def test_a_missing_column_is_named() -> None:
    message = refused(HEADER.replace("Event Type,", "") + reading(), MissingColumn)
    assert "'Event Type'" in message
    assert "Event Subtype" not in message


def test_an_unreadable_time_is_named_by_its_line() -> None:
    message = refused(HEADER + reading() + "\n" + reading(time="yesterday"), MalformedData)
    assert message.startswith("Line 4: the time in column 'Timestamp (YYYY-MM-DDThh:mm:ss)'")
    assert "yesterday" not in message


@pytest.mark.parametrize(
    "time", ["0000-01-01 00:00:00", "2025-02-30 00:00:00", "2025-05-01 24:00:00", "9999-99-99 99:99:99", "12025-05-01"]
)
def test_what_is_no_date_is_refused(time: str) -> None:
    refused(HEADER + reading(time=time), MalformedData)


def test_an_open_quote_is_named_by_its_line() -> None:
    assert "quote is not closed" in refused(HEADER + reading() + '12,"2025-05-01 00:06:47,EGV\n', MalformedData)


def test_an_endless_cell_is_refused() -> None:
    assert "128 KiB" in refused(HEADER + reading("1" * 200_000), MalformedData)


def test_more_rows_than_a_sensor_writes_are_refused() -> None:
    assert "rows" in refused(HEADER + "x\n" * 1_000_001, MalformedData)


def test_more_columns_than_a_sensor_writes_are_refused() -> None:
    header = HEADER.strip() + "," * 400_000
    message = refused("\n" + header + "\n" + reading() * 4000, MalformedData)
    assert message.startswith("Line 2: the header names 400014 columns")
    assert "200" in message


def test_as_many_columns_as_allowed_are_read() -> None:
    text = HEADER.strip() + "," * 186 + "\n" + reading()
    assert read(text.encode()).glucose.tolist() == [144.0]


@pytest.mark.parametrize("kind", ["CGM ENTRIES", "TREATMENTS"])
def test_a_section_that_comes_again_is_named_by_its_line(kind: str) -> None:
    treatments = "# TREATMENTS\nDate,Time,Event Type\n1/1/2025,1:00:00 AM,Note\n"
    message = refused(NIGHTSCOUT + treatments + f"\n # {kind}\n" * 100_000, MalformedData)
    assert message.startswith(f"Line 8: the section '# {kind}' begins a second time")


@pytest.mark.timeout(20)
def test_a_long_cell_that_is_almost_a_number_takes_no_time() -> None:
    assert np.isnan(read((HEADER + reading("1" * 100_000 + "x")).encode()).glucose).all()


@pytest.mark.parametrize(
    "glucose", ["1e308", "-5", "NaN", "inf", "=1+1", "@SUM(A1)", "one hundred", "1e999", "0x90", ""]
)
def test_what_is_no_glucose_is_no_reading_and_does_not_get_out(glucose: str) -> None:
    trace = read((HEADER + reading(glucose) + reading("100")).encode())
    assert trace.glucose.tolist()[1] == 100.0
    assert trace.to_csv().splitlines()[1] == "0,2025-05-01T00:01:47.000,,0,EGV_READ,2025-05-01T00:01:47.000,,,,,"


def test_formulas_do_not_get_through_the_unified_format() -> None:
    row = "0,2025-05-01T00:00:00,0,{},2025-05-01T00:00:00,100,\n"
    message = refused(UNIFIED + row.format("EGV_READ") + row.format('"=HYPERLINK(""http://x"")"'), MalformedData)
    assert message.startswith("Line 3: column 'event_type'")
    assert "HYPERLINK" not in message


def test_rows_may_be_too_short_or_too_long() -> None:
    text = (
        HEADER + "11,2025-05-01 00:01:47,EGV,,,,android G6,144\n" + reading("145").replace("\n", ",1,2,3\n") + "12,\n"
    )
    assert read(text.encode()).glucose.tolist() == [144.0, 145.0]


def test_a_line_cut_off_on_its_way_is_left_out() -> None:
    cut = HEADER + reading("144") + "12,2025-05-01 00:06:47,EGV,,,,android G6,1"
    assert read(cut.encode()).glucose.tolist() == [144.0]


def test_a_whole_last_line_needs_no_end() -> None:
    assert len(read((HEADER + reading() + reading().rstrip()).encode())) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = HEADER + "1,,FirstName,,Zoë Müller,,,,,,,,,\n" + reading()
    assert read(text.encode(encoding)).glucose.tolist() == [144.0]


def test_line_ends_of_old_macintoshes() -> None:
    assert len(read((HEADER + reading() + reading()).replace("\n", "\r").encode())) == 2


def outcome(content: bytes) -> UnifiedTrace | InvalidInput:
    """What `read` gives; any exception that is not ours fails the test."""
    try:
        return read(content)
    except InvalidInput as error:
        return error


FOREIGN: list[Callable[[int], bytes]] = [
    lambda seed: libreview_in("German", seed, mmol=True)[1],
    lambda seed: clarity_in("Spanish", seed)[1],
    lambda seed: by_spreadsheet(dexcom(seed)),
    lambda seed: entries(moments(Random(seed), 40)),
    lambda seed: b"Zeit;Glukose\n" + b"".join(b"01.05.2025 %02d:00;7,5\n" % hour for hour in range(seed)),
]


@given(st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    outcome(content)


@given(st.sampled_from([*LAYOUTS.values(), *FOREIGN]), st.integers(0, 20), st.data())
def test_damaged_exports_are_read_or_refused(make: Callable[[int], bytes], seed: int, data: st.DataObject) -> None:
    content = bytearray(make(seed))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 40))] = data.draw(
            st.binary(max_size=8) | st.sampled_from(JUNK)
        )
    result = outcome(bytes(content))
    if isinstance(result, UnifiedTrace):
        assert outcome(result.to_csv().encode()).to_csv() == result.to_csv()  # type: ignore[union-attr]


JUNK = (
    b"\n",
    b"\r",
    b'"',
    b'""',
    b",,,,",
    b"\x00",
    b"\xff\xfe",
    "\u2028".encode(),
    b"1e400",
    b"nan",
    b"9" * 400,
    b"-1",
)


def spoiled(make: Callable[[int], bytes]) -> bytes:
    """An export whose times and some amounts are words."""
    text = make(1).decode("utf-8-sig")
    head, body = text[:900], text[900:]
    return (head + body.replace("2.5", "SECRET").replace("2,5", "SECRET").replace(":", "SECRET")).encode()


@pytest.mark.parametrize("make", [dexcom, libre, *FOREIGN[:2], FOREIGN[3]])
def test_messages_show_no_cell_of_the_trace(make: Callable[[int], bytes]) -> None:
    result = outcome(spoiled(make))
    assert isinstance(result, InvalidInput)
    assert "SECRET" not in result.message
