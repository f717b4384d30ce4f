"""Sources that hold many documents: lines, tables, arrays, archives and feeds, read part by part.

Rows are numbered from 1 in the order of the file; a reader can begin behind any row, so that a source is expanded in
slices by whichever worker comes next. A row that cannot be read is reported and the rest goes on.
"""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import BinaryIO

from services.errors import InvalidInput, NearfieldError
from services.ingest.rows.row import Row, row_from_object
from services.ingest.rows.strict_json import decode_json, parse_json, skip_blanks
from services.ingest.values import FileInput

NDJSON = "application/x-ndjson"
CSV = "text/csv"
JSON = "application/json"
ZIP = "application/zip"
RSS = "application/rss+xml"
ATOM = "application/atom+xml"
MAX_ROW_BYTES = 16 * 1024 * 1024
RowReader = Callable[[BinaryIO, int], "Iterator[NumberedRow]"]
_LENIENT = json.JSONDecoder(parse_int=str)  # finds where an item ends, also one that is refused


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """Part ``number`` of a source: the document in it (``row`` or ``file``), or what is wrong with it (``problem``).

    ``file`` is a member of an archive; its name is its path in there. ``warnings`` are about the source as a whole and
    stand at its first part alone. ``place`` says where it stands, for people ("notes/cities.csv, row 3"), where its
    number does not say enough; "" elsewhere.
    """

    number: int
    row: Row | None
    problem: str = ""
    file: FileInput | None = None
    warnings: tuple[str, ...] = ()
    place: str = ""


def read_rows(media_type: str, body: BinaryIO, *, after: int = 0) -> Iterator[NumberedRow]:
    """The rows of a source behind row ``after``, in order. Blank lines count but are not returned.

    Args:
        media_type: ``NDJSON``, ``CSV`` (tabs too), ``JSON`` (an array), ``ZIP``, ``RSS`` or ``ATOM``.
        body: the bytes, at their beginning, seekable.

    Raises:
        InvalidInput: while iterating, when the rest of the source cannot be read at all.
    """
    reader = _READERS.get(media_type) or _lazy_reader(media_type)
    return reader(body, after)


def load_readers() -> None:
    """Imports every reader: what a fork server does before it serves."""
    for media_type in _LAZY_READERS:
        _lazy_reader(media_type)


def _lazy_reader(media_type: str) -> RowReader:
    module, _, function = _LAZY_READERS[media_type].partition(":")
    reader: RowReader = getattr(import_module(f"services.ingest.rows.{module}"), function)
    return reader


def numbered(number: int, read: Callable[[], Row]) -> NumberedRow:
    """What ``read`` gives as row ``number``, or what it says is wrong with it."""
    try:
        return NumberedRow(number, read())
    except NearfieldError as error:
        return NumberedRow(number, None, error.message)


def _read_ndjson(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    for number in itertools.count(1):
        line = body.readline(MAX_ROW_BYTES + 1)
        if not line:
            return
        too_long = len(line) > MAX_ROW_BYTES
        while too_long and line and not line.endswith(b"\n"):
            line = body.readline(MAX_ROW_BYTES)
        if number <= after:
            continue
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if too_long:
            yield NumberedRow(number, None, f"it is longer than {MAX_ROW_BYTES:,} bytes")
        elif line.strip():
            yield numbered(number, partial(_row_of_line, line.strip()))


def _row_of_line(line: bytes) -> Row:
    return row_from_object(parse_json(decode_json(line)))


def _read_array(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    """One item after another. An item with a doubled name or NaN is reported; broken syntax ends the source."""
    text = decode_json(body.read())
    position = skip_blanks(text, 0)
    if not text.startswith("[", position):
        raise _broken("this is not a JSON array")
    position = skip_blanks(text, position + 1)
    number = 0
    while not text.startswith("]", position):
        number += 1
        try:
            _, end = _LENIENT.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _broken(f"item {number} is not valid JSON: {error.msg} (line {error.lineno})") from None
        except RecursionError:
            raise _broken(f"item {number} is nested too deep") from None
        if number > after:
            yield numbered(number, partial(_row_of_item, text, position, end))
        position = skip_blanks(text, end)
        if text.startswith(",", position):
            position = skip_blanks(text, position + 1)
        elif not text.startswith("]", position):
            raise _broken(f"the array breaks off after item {number}")


def _row_of_item(text: str, start: int, end: int) -> Row:
    return row_from_object(parse_json(text[start:end]))


def _broken(problem: str) -> InvalidInput:
    return InvalidInput(f"{problem}; the items before it were taken", code="malformed-json")


_READERS: dict[str, RowReader] = {
    NDJSON: _read_ndjson,
    JSON: _read_array,
}
# "module:function" of this package, imported when first needed: XML and archives bring libraries along.
_LAZY_READERS = {
    CSV: "delimited:read_delimited",
    ZIP: "archive:read_archive",
    RSS: "feed:read_feed",
    ATOM: "feed:read_feed",
}
