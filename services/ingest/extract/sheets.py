"""The text of spreadsheets: what the readers of each format share.

A row is one line, "Bolt M4 | 12 | 0.35". Rows are put together to tables of some 800 characters, about what a chunk
holds, and the header is repeated at the head of each: a chunk of bare figures is found by nobody, and the header of a
long sheet stands hundreds of chunks away from its last row. It costs 5 to 10 % more text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.types import Tick
from services.ingest.values import BlockKind

MAX_ROWS = 100_000
MAX_COLUMNS = 256
_TABLE_CHARS = 800
_HEADER_CHARS = 240
_TICK_EVERY = 500
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with something in it: its column from 0, what it shows, and whether that is a word, not a figure."""

    column: int
    text: str
    is_word: bool


Row = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet by its place in the workbook from 1; ``rows`` has only rows with something in them, read as needed."""

    number: int
    name: str
    rows: Iterable[Row]


def write_sheets(builder: TextBuilder, sheets: Iterable[Sheet], tick: Tick) -> tuple[str, ...]:
    """Appends the sheets that hold something and says in warnings what was cut off."""
    cut: list[str] = []
    for sheet in sheets:
        builder.begin_page(sheet.number)
        writer = _Writer(builder, sheet.name)
        for count, row in enumerate(sheet.rows):
            if count >= MAX_ROWS:
                cut.append(sheet.name)
                break
            writer.add(row)
            if count % _TICK_EVERY == 0:
                tick()
        writer.end()
        tick()
    return tuple(f"sheet {name[:80]!r} was cut off after {MAX_ROWS:,} rows" for name in cut)


def shown(value: object) -> tuple[str, bool]:
    """What a cell of a typed value shows (dates as ISO, numbers with 15 digits), and whether it is a word."""
    if isinstance(value, bool):
        return str(value).upper(), False
    if isinstance(value, int | float):
        return f"{value:.15g}", False
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        return (value.date() if value.time() == _MIDNIGHT else value).isoformat(), False
    if isinstance(value, date | time):
        return value.isoformat(), False
    if isinstance(value, timedelta):
        return str(value), False
    return " ".join(clean_text(str(value)).split()), True


class _Writer:
    """Puts the rows of one sheet together to tables under their header."""

    def __init__(self, builder: TextBuilder, name: str) -> None:
        self._builder = builder
        self._name = name
        self._header = ""
        self._first_column: int | None = None
        self._lines: list[str] = []
        self._chars = 0
        self._tables = 0

    def add(self, row: Row) -> None:
        """Appends a row; the first one decides where the sheet's columns begin and may be its header."""
        if not row:
            return
        if self._first_column is None:
            self._first_column = row[0].column
            self._builder.add_heading(clean_text(self._name), 1)
            line = self._line(row)
            if len(row) > 1 and all(cell.is_word for cell in row) and len(line) <= _HEADER_CHARS:
                self._header = line
        else:
            line = self._line(row)
        if self._lines and self._chars + len(line) > _TABLE_CHARS:
            self.end()
        self._lines.append(line)
        self._chars += len(line)

    def end(self) -> None:
        """Ends the present table."""
        if self._lines:
            header = [self._header] if self._header and self._tables else []
            self._builder.add("\n".join(header + self._lines), kind=BlockKind.TABLE)
            self._tables += 1
        self._lines, self._chars = [], 0

    def _line(self, row: Row) -> str:
        return " | ".join(self._placed(row))

    def _placed(self, row: Row) -> Iterator[str]:
        """The cells with a blank for every empty one between them, so that they stand under their header."""
        at = self._first_column or 0
        for cell in row:
            for _ in range(min(cell.column - at, MAX_COLUMNS)):
                yield ""
            yield cell.text
            at = cell.column + 1
