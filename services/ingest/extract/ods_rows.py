"""ODS: sheets as streams of rows. Repeated rows are read once, and repeated cells up to a bound: what a file of a
kilobyte may declare to hold is 17 thousand million cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from services.ingest.extract.odf_package import CONTENT
from services.ingest.extract.safe_xml import Element, local_name, release, stream_xml, value_of
from services.ingest.extract.sheets import MAX_COLUMNS, Cell, Row, Sheet, shown
from services.ingest.extract.types import Tick
from services.ingest.extract.zip_guard import GuardedZip

_CELLS = ("table-cell", "covered-table-cell")
_TICK_EVERY = 2_000
_DIGITS = 10


def ods_sheets(package: GuardedZip, tick: Tick) -> Iterator[Sheet]:
    """The sheets of a workbook in its order."""
    for (number, name), rows in groupby(_rows(package, tick), key=itemgetter(0)):
        yield Sheet(number, name, (row for _, row in rows))


def _rows(package: GuardedZip, tick: Tick) -> Iterator[tuple[tuple[int, str], Row]]:
    """Every row with something in it and the number and name of its sheet, out of one pass over the content."""
    number = 1
    for count, element in enumerate(stream_xml(package.read(CONTENT), ("{*}table-row", "{*}table"), what=CONTENT)):
        if count % _TICK_EVERY == 0:
            tick()
        if local_name(element) == "table":
            number += 1
        else:
            row = list(_cells(element))
            if row:
                yield (number, _table_name(element)), row
        release(element)


def _table_name(row: Element) -> str:
    return next((value_of(above, "name") for above in row.iterancestors() if local_name(above) == "table"), "")


def _cells(row: Element) -> Iterator[Cell]:
    column = 0
    for node in row:
        if local_name(node) not in _CELLS:
            continue
        times = value_of(node, "number-columns-repeated")
        repeated = int(times) if times.isascii() and times.isdigit() and len(times) < _DIGITS else 1
        text, is_word = _value(node)
        if text:
            for place in range(column, min(column + repeated, MAX_COLUMNS)):
                yield Cell(place, text, is_word)
        column += repeated
        if column >= MAX_COLUMNS:
            return


def _value(cell: Element) -> tuple[str, bool]:
    kind = value_of(cell, "value-type")
    if kind == "date":
        day, _, moment = value_of(cell, "date-value").partition("T")
        return (day if moment.startswith("00:00:00") or not moment else f"{day}T{moment.partition('.')[0]}"), False
    text = " ".join("".join(_texts(node)) for node in cell if local_name(node) == "p")
    shown_text, is_word = shown(text)
    return (shown_text or value_of(cell, "value")), is_word and kind in ("", "string")


def _texts(node: Element) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        yield " " if local_name(child) in ("s", "tab", "line-break") else ""
        yield from _texts(child)
        yield child.tail or ""
