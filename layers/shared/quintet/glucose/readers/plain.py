"""Any other table with a time and a glucose: of another program, or made by hand; in any of a dozen languages.

The glucose column's name says the unit; if it does not, its values do. Nothing else is read of it.
"""

import re
import unicodedata
from typing import Final

import numpy as np

from quintet.glucose import unified
from quintet.glucose.errors import MalformedData
from quintet.glucose.readers.cells import blank, number, numbers
from quintet.glucose.readers.table import Cells, Names, Source, Table
from quintet.glucose.readers.times import local_times, require_times
from quintet.glucose.readers.units import unit_in, unit_of
from quintet.glucose.unified import UnifiedTrace, trace

_TIME: Final = "time"
_CLOCK: Final = "time of day"
_GLUCOSE: Final = "glucose"
_PERSON: Final = "person"

_DATES: Final = {"date", "datum", "fecha", "data", "dato", "day", "tag", "jour", "giorno", "dzien"}
_CLOCKS: Final = {"time", "zeit", "uhrzeit", "hora", "heure", "ora", "orario", "tijd", "tid", "klockslag", "godzina"}
_PERSONS: Final = {"id", "subject", "subjectid", "patient", "patientid", "ptid", "person", "user", "userid"}
_TIMES: Final = re.compile(
    r"time|date|zeit|datum|fecha|hora|heure|horodat|\bdata\b|\bora\b|tijd|\btid|czas|\bdato\b|temporal|carimbo|sello"
)
_NO_TIMES: Final = re.compile(r"gluc|gluk|glic|rate|change|duration|interval|transmitter|generat|\bzone\b|type")
_LEVELS: Final = re.compile(
    r"gluc|gluk|glic|glyc|glyk|\bbg\b|\bsg\b|\bgl\b|\bsgv\b|\bcgm\b|\begv\b|zucker|azucar|sucre|suiker|blodsukker|blodsocker"
)
_NO_LEVELS: Final = re.compile(
    r"rate|trend|change|strip|stick|calib|kalib|target|goal|insulin|[kc]eton|carb|glucide|glicid|averag|mean|median|"
    r"\bstd\b|\bmin\b|\bmax\b|type|\btyp|source|unit|note|delta|direction|device|serial|duration|transmitter"
)


def english(names: Names) -> Names:
    """The names with this house's in the places of the time, of the day's time, of glucose and of the person.

    >>> english(["Fecha", "Hora", "Glucosa (mg/dl)"])
    ['time', 'time of day', 'glucose mg/dL']
    """
    places = _places(names)
    return [places.get(place, "") for place in range(len(names))] if places else names


def recognises(names: Names) -> bool:
    words = [_folded(name) for name in names]
    return bool(_glucose(words)) and bool(_times(words))


def _places(names: Names) -> dict[int, str]:
    """What stands where; nothing where it is not clear."""
    words = [_folded(name) for name in names]
    glucose, times = _glucose(words), _times(words)
    if len(glucose) != 1 or not times:
        return {}
    unit = unit_in(names[glucose[0]])
    persons = [place for place, word in enumerate(words) if word in _PERSONS]
    found = dict(zip(times, (_TIME, _CLOCK), strict=False)) | dict.fromkeys(persons[:1], _PERSON)
    return found | {glucose[0]: f"{_GLUCOSE} {unit.value}" if unit else _GLUCOSE}


def read(text: str) -> list[UnifiedTrace]:
    source = Source.of(text)
    table = Table(source, [_TIME, glucose := _glucose_column(source)], [_CLOCK, _PERSON], english)
    _require_one_person(table[_PERSON])
    raw = numbers(table[glucose])
    times, rows = local_times(_joined(table)), ~np.isnan(raw)
    require_times(times, rows, table, _TIME)
    unit = unit_of(raw, glucose)
    levels = numbers(table[glucose], lambda cell: number(cell, unit.to_mgdl))
    return [trace(times[rows], event_type=unified.GLUCOSE, glucose=levels[rows])]


def _glucose_column(source: Source) -> str:
    """What `english` calls it. Raises MalformedData where a header has more than one."""
    line, names = next((line, names) for line, names in enumerate(source.headers()) if recognises(names))
    if places := _places(names):
        return next(name for name in places.values() if name.startswith(_GLUCOSE))
    raise MalformedData(
        f"Line {source.first_line + line} names more than one column of glucose. Leave one of them, the sensor's."
    )


def _joined(table: Table) -> Cells:
    if _CLOCK not in table:
        return table[_TIME]
    return tuple(f"{day} {clock}" for day, clock in zip(table[_TIME], table[_CLOCK], strict=True))


def _require_one_person(cells: Cells) -> None:
    """A number for each row is no person's."""
    persons = len(set(cells) - {""})
    if 1 < persons < np.count_nonzero(~blank(cells)):
        raise MalformedData(
            f"The file holds the readings of {persons} people. Send those of one, in a file of their own."
        )


def _glucose(words: Names) -> list[int]:
    """Places of glucose; those that name their unit, if some do."""
    places = [place for place, word in enumerate(words) if not _NO_LEVELS.search(word)]
    with_unit = [place for place in places if unit_in(words[place])]
    return with_unit or [place for place in places if _LEVELS.search(words[place])]


def _times(words: Names) -> list[int]:
    """The place of the time, or those of the day and of the clock."""
    pair = [place for names in (_DATES, _CLOCKS) for place, word in enumerate(words) if word in names]
    if len(pair) == 2 and words[pair[0]] in _DATES and words[pair[1]] in _CLOCKS:
        return pair
    return [place for place, word in enumerate(words) if _TIMES.search(word) and not _NO_TIMES.search(word)][:1]


def _folded(name: str) -> str:
    """In small letters without accents and underscores."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).replace("_", " ").strip()
