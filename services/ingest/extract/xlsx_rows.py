"""XLSX: sheets as streams of rows. Values are those that were saved last; no formula is ever computed.

Only cells that are there are looked at, so neither a million declared rows nor a cell in the last corner of the grid
(17 thousand million places away from the first) costs anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ingest.extract.ooxml import main_part, relations
from services.ingest.extract.safe_xml import Element, local_name, parse_xml, release, stream_xml, value_of
from services.ingest.extract.sheets import MAX_COLUMNS, Cell, Row, Sheet, shown
from services.ingest.extract.types import Tick
from services.ingest.extract.zip_guard import GuardedZip

_MAIN = "xl/workbook.xml"
_LETTERS = re.compile(r"[A-Z]{1,3}")
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_DATE_LETTERS = re.compile(r"[ymdhs]", re.IGNORECASE)
_BUILT_IN_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_BUILT_IN_PERCENTS = frozenset({9, 10})
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_TRUE = frozenset({"1", "true"})
_TICK_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class _Workbook:
    """``formats`` says of each cell style whether it shows a date ("d"), a share in percent ("%") or neither ("")."""

    strings: Sequence[str]
    formats: Sequence[str]
    epoch: datetime


def xlsx_sheets(package: GuardedZip, tick: Tick) -> Iterator[Sheet]:
    """The worksheets of a workbook in its order, hidden ones too; charts on sheets of their own are left out."""
    main = main_part(package, _MAIN)
    root = parse_xml(package.read(main), what=main)
    links = relations(package, main)
    parts = {link.kind: link.target for link in links.values()}
    is_1904 = any(value_of(node, "date1904") in _TRUE for node in root.iter("{*}workbookPr"))
    workbook = _Workbook(
        _strings(package, parts.get("sharedStrings", ""), tick),
        _formats(package, parts.get("styles", "")),
        _EPOCH_1904 if is_1904 else _EPOCH,
    )
    for number, node in enumerate(root.iter("{*}sheet"), 1):
        link = links.get(value_of(node, "id"))
        if link is not None and link.kind == "worksheet" and link.target in package:
            yield Sheet(number, value_of(node, "name"), _rows(package, link.target, workbook, tick))


def _rows(package: GuardedZip, part: str, workbook: _Workbook, tick: Tick) -> Iterator[Row]:
    for count, element in enumerate(stream_xml(package.read(part), ("{*}row",), what=part)):
        row = list(_cells(element, workbook))
        release(element)
        if row:
            yield row
        if count % _TICK_EVERY == 0:
            tick()


def _cells(row: Element, workbook: _Workbook) -> Iterator[Cell]:
    column = -1
    given = 0
    for node in row:
        letters = _LETTERS.match(node.get("r", ""))
        column = _column(letters.group()) if letters else column + 1
        text, is_word = _value(node, workbook)
        if text:
            yield Cell(column, text, is_word)
            given += 1
            if given >= MAX_COLUMNS:
                return


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: Element, workbook: _Workbook) -> tuple[str, bool]:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return shown(_rich_text(cell))
    raw = next((child.text or "" for child in cell if local_name(child) == "v"), "")
    if not raw or kind == "e":
        return "", False
    if kind == "s":
        index = _integer(raw)
        return shown(workbook.strings[index]) if 0 <= index < len(workbook.strings) else ("", False)
    if kind == "b":
        return shown(raw in _TRUE)
    if kind == "d":
        return shown(raw)[0], False
    return shown(raw) if kind == "str" else _number(raw, _integer(cell.get("s", "0")), workbook)


def _number(raw: str, style: int, workbook: _Workbook) -> tuple[str, bool]:
    try:
        value = float(raw)
    except ValueError:
        return shown(raw)
    form = workbook.formats[style] if 0 <= style < len(workbook.formats) else ""
    if form == "%":
        return f"{value * 100:.10g}%", False
    if form == "d":
        try:
            # A second of tolerance: fractions of a day are binary, 08:30 is saved as 0.354166666666667.
            moment = workbook.epoch + timedelta(seconds=round(value * 86_400))
        except (OverflowError, ValueError):
            return shown(value)
        return shown(moment.time() if 0 <= value < 1 else moment)
    return shown(value)


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _strings(package: GuardedZip, part: str, tick: Tick) -> list[str]:
    if part not in package:
        return []
    strings = []
    for element in stream_xml(package.read(part), ("{*}si",), what=part):
        strings.append(_rich_text(element))
        release(element)
        if len(strings) % _TICK_EVERY == 0:
            tick()
    return strings


def _rich_text(node: Element) -> str:
    """The text of a string without the hints of how it is pronounced."""
    return "".join(text.text or "" for text in node.iter("{*}t") if local_name(text.getparent()) != "rPh")


def _formats(package: GuardedZip, part: str) -> list[str]:
    if part not in package:
        return []
    root = parse_xml(package.read(part), what=part)
    codes = {value_of(node, "numFmtId"): value_of(node, "formatCode") for node in root.iter("{*}numFmt")}
    styles = next(root.iter("{*}cellXfs"), None)
    return [] if styles is None else [_format(value_of(node, "numFmtId"), codes) for node in styles]


def _format(number: str, codes: Mapping[str, str]) -> str:
    code = codes.get(number)
    if code is None:
        built_in = _integer(number)
        return "d" if built_in in _BUILT_IN_DATES else "%" if built_in in _BUILT_IN_PERCENTS else ""
    code = _LITERAL.sub("", code)
    return "%" if "%" in code else "d" if _DATE_LETTERS.search(code) else ""
