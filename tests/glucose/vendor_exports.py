"""Exports in the vendors' layouts, made from a seed: all kinds of records, gaps, duplicates and quirks of writing.

What is made here is read alike by this house and by the library that the original uses. Files on which the two
differ on purpose stand in the tests that say so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

MARKS = ("", "\ufeff", "", '"\u00ef\u00bb\u00bf"', "\u00ef\u00bb\u00bf")
PAUSES = (10, 14.5, 15, 15.1, 17, 20, 45, 170, 60 * 26, 60 * 24 * 4)  # minutes

DEXCOM = (
    "Index,Timestamp (YYYY-MM-DDThh:mm:ss),Event Type,Event Subtype,Patient Info,Device Info,Source Device ID,"
    "Glucose Value ({0}),Insulin Value (u),Carb Value (grams),Duration (hh:mm:ss),Glucose Rate of Change ({0}/min),"
    "Transmitter Time (Long Integer),Transmitter ID"
)
LIBRE = (
    "Device,Serial Number,Device Timestamp,Record Type,Historic Glucose {0},Scan Glucose {0},"
    "Non-numeric Rapid-Acting Insulin,Rapid-Acting Insulin (units),Non-numeric Food,Carbohydrates (grams),"
    "Carbohydrates (servings),Non-numeric Long-Acting Insulin,{1},Notes,Strip Glucose {0},Ketone mmol/L,"
    "Meal Insulin (units),Correction Insulin (units),User Change Insulin (units)"
)
MEDTRONIC = (
    "Index;Date;Time;New Device Time;BG Reading (mg/dL);Linked BG Meter ID;Basal Rate (U/h);"
    "Bolus Volume Delivered (U);BWZ Carb Input (grams);Sensor Calibration BG (mg/dL);Sensor Glucose (mg/dL);"
    "ISIG Value;Event Marker;Alarm"
)
UNIFIED = (
    "sequence_id,original_datetime,original_glucose,quality,event_type,datetime,glucose,carbs,insulin_slow,"
    "insulin_fast,exercise"
)


@dataclass(frozen=True)
class Moment:
    """One record: a reading where `kind` is "reading", else an event; `value` in mg/dL, grams, units or seconds."""

    time: datetime
    kind: str
    value: float


Export = Callable[[int], bytes]


def moments(random: Random, count: int) -> list[Moment]:
    """Readings five minutes apart more or less, with events between them, in order but for a few."""
    found = []
    time = datetime(random.randint(1961, 2060), random.randint(1, 12), random.randint(1, 28), random.randint(0, 23))
    level = random.uniform(60, 300)
    for _ in range(count):
        pause = random.choice(PAUSES) if random.random() < 0.04 else 5
        time += timedelta(minutes=pause, seconds=random.choice((0, 0, 0, 1, -1, 29, 31, -80)))
        level = min(max(level + random.gauss(0, 9), 30), 420)
        found.append(Moment(time, "reading", level))
        if random.random() < 0.05:
            found.append(Moment(time, "reading", level + random.choice((0, 1, -7))))
        while random.random() < 0.12:
            later = time + timedelta(seconds=random.choice((0, 0, 60, 149, 151, 3600)))
            kind = random.choice(("carbs", "fast", "slow", "exercise", "strip", "other"))
            found.append(Moment(later, kind, random.choice((1, 2.5, 12, 40, 0.05, 100))))
    if random.random() < 0.3:
        place = random.randrange(len(found))
        found = found[place:] + found[:place]
    return found


def write(random: Random, rows: Iterator[list[str]], delimiter: str = ",") -> bytes:
    """The rows as CSV, with one of the marks, line ends and ways of quoting that are seen in the wild."""
    eager, end = random.random() < 0.3, random.choice(("\n", "\r\n"))

    def cell(text: str) -> str:
        needed = eager or any(letter in text for letter in (delimiter, '"', "\n"))
        return '"' + text.replace('"', '""') + '"' if text and text[0] != "#" and needed else text

    lines = [delimiter.join(map(cell, row)) for row in rows]
    return (random.choice(MARKS) + end.join([*lines, ""])).encode()


def glucose_text(random: Random, level: float, *, mmol: bool) -> str:
    if mmol:
        return f"{level / 18.0182:.{random.choice((1, 1, 1, 2))}f}"
    return f"{level:.0f}" if random.random() < 0.9 else f"{level:.1f}"


def dexcom(seed: int, *, mmol: bool = False) -> bytes:
    random = Random(seed)
    separator = random.choice("T ")
    people = random.randint(3, 14)
    padded = separator == "T" or random.random() < 0.5

    def clock(time: datetime) -> str:
        hour = f"{time:%H}" if padded else str(time.hour)
        return f"{time:%Y-%m-%d}{separator}{hour}:{time:%M:%S}"

    def rows() -> Iterator[list[str]]:
        yield DEXCOM.format("mmol/L" if mmol else "mg/dL").split(",")
        for index in range(people):
            yield [str(index + 1), "", random.choice(("Alert", "FirstName", "Device")), *[""] * 10, "x"]
        for index, moment in enumerate(moments(random, random.randint(2, 160)), people + 1):
            yield [str(index), clock(moment.time), *dexcom_event(random, moment, mmol=mmol)]
            if random.random() < 0.01:
                yield [str(index), "", "Alert", "High", "sent at night, twice", *[""] * 9]

    return write(random, rows())


def dexcom_event(random: Random, moment: Moment, *, mmol: bool) -> list[str]:
    """The cells from Event Type on."""
    kind, subtype, glucose, insulin, carbs, duration = "Alert", "Urgent Low", "", "", "", ""
    match moment.kind:
        case "reading":
            kind = random.choice(("EGV",) * 8 + ("egv", "Fasting Glucose"))
            glucose = glucose_text(random, moment.value, mmol=mmol)
            if moment.value < 50 or moment.value > 390 or random.random() < 0.01:
                glucose = random.choice(("High", "Low", "high", ""))
            subtype = ""
        case "fast" | "slow":
            kind, insulin = "Insulin", f"{moment.value:g}"
            subtype = {"fast": random.choice(("Fast-Acting", "")), "slow": "Long-Acting"}[moment.kind]
        case "carbs":
            kind, subtype, carbs = "Carbs", "", f"{moment.value:g}"
        case "exercise":
            kind, subtype = random.choice(("Exercise", "Activity")), random.choice(("Light", "Medium", "Heavy", ""))
            duration = random.choice(("0:30:00", "01:05:09", ""))
        case "strip":
            kind, subtype, glucose = "Calibration", "", glucose_text(random, 100, mmol=mmol)
    transmitter = ["4240874", "8AM1EY"] if moment.kind == "reading" else ["", ""]
    return [kind, subtype, "", "", "android G6", glucose, insulin, carbs, duration, "", *transmitter]


def libre(seed: int, *, mmol: bool = False) -> bytes:
    random = Random(seed)
    unit = "mmol/L" if mmol else "mg/dL"
    long = random.choice(("Long-Acting Insulin Value (units)", "Long-Acting Insulin (units)"))
    names = LIBRE.format(unit, long).split(",")
    found = moments(random, random.randint(2, 160))
    month_first = found[0].time.day > 12 and random.random() < 0.5
    form = "%m-%d-%Y %H:%M" if month_first else "%d-%m-%Y %H:%M"

    def rows() -> Iterator[list[str]]:
        yield ["Glucose Data", "Generated on", "11-12-2024 09:40 UTC", "Generated by", 'Ada "A", Lovelace']
        yield names + ["Historic Ketone mmol/L", "Scan Ketone mmol/L"] * mmol
        for moment in found:
            cells = dict.fromkeys(names, "")
            cells |= {"Device": "FreeStyle Libre 3", "Device Timestamp": moment.time.strftime(form)}
            cells |= libre_record(random, moment, unit, long)
            yield [*cells.values(), *[""] * (2 * mmol)]

    return write(random, rows())


def libre_record(random: Random, moment: Moment, unit: str, long: str) -> dict[str, str]:
    value, amount = glucose_text(random, moment.value, mmol=unit == "mmol/L"), f"{moment.value:g}"
    both = {long: "3"} if random.random() < 0.2 else {}
    historic = {"Record Type": "0", f"Historic Glucose {unit}": random.choice((value, value, value, "HI", ""))}
    scan = {"Record Type": "1", f"Scan Glucose {unit}": value}
    records = {
        "reading": scan if random.random() < 0.1 else historic,
        "strip": {"Record Type": "2", f"Strip Glucose {unit}": value},
        "fast": {"Record Type": "4", "Rapid-Acting Insulin (units)": amount, **both},
        "slow": {"Record Type": "4", long: random.choice((amount, ""))},
        "carbs": {"Record Type": "5", "Carbohydrates (grams)": amount},
    }
    return records.get(moment.kind, {"Record Type": random.choice(("6", "3", "")), "Notes": "a walk, =1+1"})


def medtronic(seed: int) -> bytes:
    random = Random(seed)
    names = MEDTRONIC.split(";")

    def comma(value: float) -> str:
        return f"{value:.2f}".replace(".", ",")

    def rows() -> Iterator[list[str]]:
        yield ["Last Name", "First Name", "Patient ID", "Device", "Guardian Connect"]
        yield from ([""], ["-------", "Guardian Connect", "Sensor"])[: random.randint(1, 2)]
        yield names
        for index, moment in enumerate(moments(random, random.randint(2, 160))):
            cells = dict.fromkeys(names, "") | {"Index": f"{index},00000", "Alarm": "none"}
            cells |= {"Date": f"{moment.time:%Y/%m/%d}", "Time": f"{moment.time:%H:%M:%S}"}
            match moment.kind:
                case "reading":
                    cells["Sensor Glucose (mg/dL)"] = random.choice((f"{moment.value:.0f}", comma(moment.value)))
                case "fast":
                    cells["Bolus Volume Delivered (U)"] = comma(moment.value)
                case "slow":
                    cells["Event Marker"] = f"Insulin: {comma(moment.value)}"
                case "carbs":
                    cells["BWZ Carb Input (grams)"] = random.choice((comma(moment.value), "-------"))
                    cells["Event Marker"] = f"Meal: {comma(moment.value)} grams"
                case "strip":
                    cells["BG Reading (mg/dL)"] = f"{moment.value:.0f}"
            yield list(cells.values())
            if random.random() < 0.01:
                yield ["-------", "Guardian Connect", "Sensor", *[""] * (len(names) - 3)]
                yield names

    return write(random, rows(), ";")


def nightscout(seed: int) -> bytes:
    random = Random(seed)
    form = random.choice(
        ("%-m/%-d/%Y|%-I:%M:%S %p", "%d/%m/%Y|%H:%M:%S", "%-d/%-m/%Y|%-I:%M:%S %p", "%Y-%m-%d|%H:%M:%S")
    )
    found = moments(random, random.randint(2, 160))

    def day_and_time(moment: Moment) -> list[str]:
        return moment.time.strftime(form).split("|")

    def rows() -> Iterator[list[str]]:
        yield ["# CGM ENTRIES"]
        yield ["Date", "Time", "Glucose (mg/dL)", "Type", "Device", "Trend", "ID"]
        for moment in found:
            if moment.kind == "reading":
                yield [*day_and_time(moment), f"{moment.value:.0f}", "sgv", "", "4", "abc123"]
        yield ["# TREATMENTS (Insulin, Carbs, Exercise)"]
        yield ["Date", "Time", "Event Type", "Insulin (U)", "Carbs (g)", "Notes", "ID"]
        for moment in found:
            amounts = {"fast": [f"{moment.value:g}", ""], "carbs": ["", f"{moment.value:g}"], "slow": ["0", "0"]}
            if moment.kind in amounts:
                event = random.choice(("SMB", "Bolus", "Meal Bolus", "Correction Bolus", "Note"))
                yield [*day_and_time(moment), event, *amounts[moment.kind], "a note, quoted", "def456"]

    text = write(random, rows())
    return text.replace(b"# TREATMENTS", random.choice((b"\n# TREATMENTS", b"# TREATMENTS")))


def unified(seed: int, *, original_glucose: bool = True) -> bytes:
    random = Random(seed)
    names = [name for name in UNIFIED.split(",") if original_glucose or name != "original_glucose"]
    numbered = random.random() < 0.3
    codes = {"carbs": "CARBS_IN", "fast": "INS_FAST", "slow": "INS_SLOW", "exercise": "XRCS_HVY", "strip": "CALIBRAT"}
    columns = {"carbs": "carbs", "fast": "insulin_fast", "slow": "insulin_slow", "exercise": "exercise"}

    def rows() -> Iterator[list[str]]:
        yield names
        for moment in moments(random, random.randint(2, 160)):
            time = f"{moment.time:%Y-%m-%dT%H:%M:%S}." + random.choice(("000", "123", "999"))
            cells = dict.fromkeys(names, "")
            cells |= {"sequence_id": str(random.randint(1, 3) if numbered else 0), "quality": random.choice("000124")}
            cells |= {"event_type": codes.get(moment.kind, "EGV_READ"), "datetime": time, "original_datetime": time}
            column = columns.get(moment.kind, "glucose")
            cells[column] = f"{moment.value:.0f}" if column == "exercise" else repr(round(moment.value, 5))
            if column == "glucose" and original_glucose:
                cells["original_glucose"] = random.choice((cells["glucose"], ""))
            yield list(cells.values())

    return write(random, rows())


LAYOUTS: dict[str, Export] = {
    "dexcom": dexcom,
    "dexcom_eu": lambda seed: dexcom(seed, mmol=True),
    "libre": libre,
    "libre_eu": lambda seed: libre(seed, mmol=True),
    "medtronic": medtronic,
    "nightscout": nightscout,
    "unified": unified,
    "unified_before_0_12": lambda seed: unified(seed, original_glucose=False),
}
