"""Some columns of a delimited text, found by their header wherever it stands in the first lines."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Final, Protocol, Self, cast

from quintet.glucose.errors import MalformedData, MissingColumn

MOST_ROWS: Final = 1_000_000  # two years of a reading every minute
_MOST_COLUMNS: Final = 200  # a pump's export has about 50
_HEADER_WITHIN: Final = 40  # lines
_DECORATION: Final = str.maketrans("", "", '"“”\ufeff')

_DELIMITERS: Final = ";\t|,"  # a comma may also be a decimal one, where another stands as often
_SEPARATOR: Final = re.compile(r'"?sep=([,;|\t])"?[,;|\t]*(\r\n|\r|\n)', re.IGNORECASE)  # Excel's own first line

Cells = tuple[str, ...]
Names = list[str]


class _Rows(Protocol):
    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


@dataclass(frozen=True)
class Source:
    """A text, and the line of the file on which it begins."""

    text: str
    delimiter: str = ","
    first_line: int = 1

    @classmethod
    def of(cls, text: str) -> Self:
        """A text with the delimiter that it names in its first line, or else uses most in one of the first lines."""
        if named := _SEPARATOR.match(text):
            return cls(text[named.end() :], named[1], first_line=2)
        lines = list(islice(io.StringIO(text, newline=""), _HEADER_WITHIN))
        most = {letter: max((line.count(letter) for line in lines), default=0) for letter in _DELIMITERS}
        return cls(text, max(_DELIMITERS, key=most.__getitem__) if any(most.values()) else ",")

    def headers(self) -> list[Names]:
        """The cells of each of the first lines, without their quotes and the blanks around them."""
        return [self.names(line) for line in islice(self.lines(), _HEADER_WITHIN)]

    def names(self, line: str) -> Names:
        """The cells of a line. A preamble is free text: its quotes are not held against it."""
        try:
            cells = next(self.rows([line], strict=False), [])
        except csv.Error:
            return []
        return [cell.translate(_DECORATION).strip() for cell in cells]

    def lines(self) -> io.StringIO:
        return io.StringIO(self.text, newline="")

    def rows(self, lines: Iterable[str], *, strict: bool = True) -> _Rows:
        return cast(_Rows, csv.reader(lines, delimiter=self.delimiter, strict=strict))

    def ends_a_line(self) -> bool:
        return self.text.endswith(("\n", "\r"))


class Table:
    """Columns of cells, all of one length. A row that is too short is filled with empty cells.

    Blank lines are no rows. A last line without a line end and with fewer cells than the header was cut off on its
    way, perhaps within a number: it is left out. `english` gives the names as this house knows them.
    """

    def __init__(
        self,
        source: Source,
        required: Sequence[str],
        optional: Sequence[str] = (),
        english: Callable[[Names], Names] = list,
    ) -> None:
        """`required`: two or more names. Raises MissingColumn where no row among the first has them, MalformedData
        where that row has too many columns or a line cannot be split."""
        self._source = source
        lines = source.lines()
        header, self._header_lines = _find_header(lines, required, source, english)
        if len(header) > _MOST_COLUMNS:
            raise MalformedData(
                f"Line {source.first_line + self._header_lines - 1}: the header names {len(header)} columns, and no "
                f"sensor's export has more than {_MOST_COLUMNS}. Send the file as it was exported."
            )
        self._present = {name: header.index(name) for name in [*required, *optional] if name in header}
        rows = source.rows(lines)
        try:
            cells = _body(rows, list(self._present.values()), len(header), complete=source.ends_a_line())
        except csv.Error:
            raise MalformedData(
                f"Line {self._line(rows)} cannot be split into cells: a quote is not closed or closed too early, or a "
                "cell is longer than 128 KiB. Send the file as it was exported."
            ) from None
        self._columns = dict(zip(self._present, cells, strict=True))
        self._rows = len(cells[0])

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, column: str) -> bool:
        return column in self._present

    def __getitem__(self, column: str) -> Cells:
        """The cells of a column, empty ones for an optional column that the text does not have."""
        return self._columns.get(column) or ("",) * self._rows

    def line(self, row: int) -> int:
        """The line of the file on which a row ends, for messages."""
        lines = self._source.lines()
        rows = self._source.rows(islice(lines, self._header_lines, None))
        for place, _ in enumerate(filter(None, rows)):
            if place == row:
                break
        return self._line(rows)

    def _line(self, rows: _Rows) -> int:
        return self._source.first_line + self._header_lines + rows.line_num - 1


def _find_header(
    lines: io.StringIO, required: Sequence[str], source: Source, english: Callable[[Names], Names]
) -> tuple[Names, int]:
    """The names in the first line that has all `required`, and how many lines that makes; `lines` stands behind it."""
    most: Names = []
    for count, line in enumerate(islice(lines, _HEADER_WITHIN), 1):
        names = english(source.names(line))
        if all(name in names for name in required):
            return names, count
        most = max(most, names, key=lambda found: sum(name in found for name in required))
    missing = ", ".join(f"'{name}'" for name in required if name not in most)
    raise MissingColumn(
        f"The first {_HEADER_WITHIN} lines hold no header with the column {missing}. The file must have every column "
        "that the sensor's software writes, under the name that it has there: export the file anew."
    )


def _body(rows: _Rows, places: list[int], width: int, *, complete: bool) -> list[Cells]:
    """The cells at `places`, column by column."""
    pick = itemgetter(*places)
    needed = max(places) + 1
    empty = [""] * needed
    picked = []
    row: list[str] = []
    for row in rows:
        if len(row) >= needed:
            picked.append(pick(row))
        elif row:
            picked.append(pick(row + empty))
        if len(picked) > MOST_ROWS:
            raise MalformedData(
                f"The file has more than {MOST_ROWS} rows: no sensor writes so many. Send a part of it."
            )
    if picked and not complete and len(row) < width:
        picked.pop()
    return list(zip(*picked, strict=True)) if picked else [()] * len(places)
