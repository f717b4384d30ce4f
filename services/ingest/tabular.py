"""Sources that hold many documents: NDJSON, CSV and JSON arrays, read row by row without holding them in memory twice.

Rows are numbered from 1 in the order of the file; a reader can begin behind any row, so that a source is expanded in
slices by whichever worker comes next. A row that cannot be read is reported and the rest goes on.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from services.errors import InvalidInput, NearfieldError
from services.ingest.decode import decode
from services.ingest.rows import Row, row_from_cells, row_from_object
from services.ingest.strict_json import decode_json, parse_json, skip_blanks

NDJSON = "application/x-ndjson"
CSV = "text/csv"
JSON = "application/json"
MAX_ROW_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 1000
_SAMPLE_BYTES = 64 * 1024
_DELIMITERS = ",;\t|"
_LENIENT = json.JSONDecoder(parse_int=str)  # finds where an item ends, also one that is refused


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """Row ``number`` of a source: the document in it, or what is wrong with it."""

    number: int
    row: Row | None
    problem: str = ""


def read_rows(media_type: str, body: BinaryIO, *, after: int = 0) -> Iterator[NumberedRow]:
    """The rows of a source behind row ``after``, in order. Blank lines count but are not returned.

    Args:
        media_type: ``NDJSON``, ``CSV`` or ``JSON`` (an array).
        body: the bytes, at their beginning, seekable.

    Raises:
        InvalidInput: while iterating, when the rest of the source cannot be read at all.
    """
    return _READERS[media_type](body, after)


def _numbered(number: int, read: Callable[[], Row]) -> NumberedRow:
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
            yield _numbered(number, partial(_row_of_line, line.strip()))


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
            yield _numbered(number, partial(_row_of_item, text, position, end))
        position = skip_blanks(text, end)
        if text.startswith(",", position):
            position = skip_blanks(text, position + 1)
        elif not text.startswith("]", position):
            raise _broken(f"the array breaks off after item {number}")


def _row_of_item(text: str, start: int, end: int) -> Row:
    return row_from_object(parse_json(text[start:end]))


def _broken(problem: str) -> InvalidInput:
    return InvalidInput(f"{problem}; the items before it were taken", code="malformed-json")


def _read_csv(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    """Records below a header line. A record may span lines; its number counts records, the header is none."""
    text = io.TextIOWrapper(body, encoding=_encoding(body), errors="replace", newline="")
    try:
        csv.field_size_limit(MAX_ROW_BYTES)
        records = csv.reader(_without_nul(text), delimiter=_delimiter(body, text.encoding), strict=True)
        names = _header(records)
        _check_header(names)
        for number in itertools.count(1):
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                yield NumberedRow(number, None, _quoting_problem(error))
                continue
            if number > after and any(cell.strip() for cell in cells):
                yield _numbered(number, partial(row_from_cells, names, cells))
    finally:
        text.detach()


def _header(records: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(records, [])
    except csv.Error as error:
        raise InvalidInput(f"the header cannot be read: {_quoting_problem(error)}", code="bad-header") from None
    return [name.strip() or f"column {position}" for position, name in enumerate(cells, 1)]


def _quoting_problem(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quote opened here is never closed, so the rest of the file was read as part of this row; close it"
    return f"its quotes or cells cannot be read ({error}); double a quote that stands inside a quoted cell"


def _check_header(names: list[str]) -> None:
    if not names:
        raise InvalidInput("the table is empty; its first line must name the columns", code="empty-source")
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(f"the table has {len(names):,} columns; at most {MAX_COLUMNS:,} are read", code="bad-header")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidInput(f"the column {doubled[0][:60]!r} comes twice in the header; rename one", code="bad-header")


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line.replace("\0", "")


def _encoding(body: BinaryIO) -> str:
    """The encoding of the whole: strict UTF-8 if all of it is, else what a sample suggests."""
    check = codecs.getincrementaldecoder("utf-8-sig")()
    sample = body.read(_SAMPLE_BYTES)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body.seek(0)
        return "utf-16"
    try:
        block = sample
        while block:
            check.decode(block)
            block = body.read(1024 * 1024)
        check.decode(b"", final=True)
        return "utf-8-sig"
    except UnicodeDecodeError:
        body.seek(max(body.tell() - 1024 * 1024, 0))
        damaged = body.read(1024 * 1024)
        return decode(sample[: sample.rfind(b"\n") + 1] + damaged[:_SAMPLE_BYTES]).encoding
    finally:
        body.seek(0)


def _delimiter(body: BinaryIO, encoding: str) -> str:
    """The candidate that the header line has most of, outside quotes; a comma where there is none."""
    sample = body.read(_SAMPLE_BYTES)
    body.seek(0)
    header = sample.decode(encoding, "replace").lstrip("\ufeff\r\n").split("\n", 1)[0]
    bare = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=bare.count)


_READERS: dict[str, Callable[[BinaryIO, int], Iterator[NumberedRow]]] = {
    NDJSON: _read_ndjson,
    CSV: _read_csv,
    JSON: _read_array,
}
