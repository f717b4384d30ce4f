"""Tables of delimited text: CSV with commas, semicolons or bars, and TSV. A header line names the columns.

A line is never read beyond the limit of a row, so neither a line of 100 MB nor a quote that is never closed fills the
memory; what is over the limit becomes a row that says so.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO, NamedTuple

from services.errors import InvalidInput
from services.ingest.decode import decode
from services.ingest.rows.row import row_from_cells
from services.ingest.rows.tabular import MAX_ROW_BYTES, NumberedRow, numbered

MAX_COLUMNS = 1000
_SAMPLE_BYTES = 64 * 1024
_HEAD_BYTES = 4 * 1024
_BLOCK_BYTES = 1024 * 1024
_DELIMITERS = ",;\t|"
_QUOTED_CELL = re.compile(r'(?:^|\t)"(?:[^"]|"")*"(?=\t|\r|\n|$)', re.MULTILINE)


class _Encoding(NamedTuple):
    name: str
    warnings: tuple[str, ...] = ()


def read_delimited(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    """Records below a header line, behind record ``after``. A record may span lines; its number counts records."""
    encoding = _encoding(body)
    text = io.TextIOWrapper(body, encoding=encoding.name, errors="replace", newline="")
    warnings = encoding.warnings if after == 0 else ()
    try:
        csv.field_size_limit(MAX_ROW_BYTES)
        lines = _Lines(text)
        records = _reader(lines, body, encoding.name)
        names = _header(records)
        _check_header(names)
        for number in itertools.count(1):
            lines.begin_record()
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                yield NumberedRow(number, None, _quoting_problem(error), warnings=warnings)
                warnings = ()
                continue
            if number > after and any(cell.strip() for cell in cells):
                row = numbered(number, partial(row_from_cells, names, cells))
                yield replace(row, warnings=warnings) if warnings else row
                warnings = ()
    finally:
        text.detach()


class _Lines:
    """The lines of a text without NUL; csv.Error instead of one that makes its record too long."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = MAX_ROW_BYTES

    def begin_record(self) -> None:
        """The next line is the first of a record."""
        self._left = MAX_ROW_BYTES

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(_BLOCK_BYTES)
        if not line:
            raise StopIteration
        if len(line) == _BLOCK_BYTES and not line.endswith("\n"):
            line = self._rest(line)
        self._left -= len(line)
        if self._left < 0:
            raise csv.Error(f"it is longer than {MAX_ROW_BYTES:,} characters")
        return line.replace("\0", "")

    def _rest(self, line: str) -> str:
        """The whole of a long line, or of one over the limit its beginning; the reader stands behind it."""
        parts, size = [line], len(line)
        while line and not line.endswith("\n"):
            line = self._text.readline(_BLOCK_BYTES)
            size += len(line)
            if size <= MAX_ROW_BYTES + 1:
                parts.append(line)
        if size > MAX_ROW_BYTES:
            self._left = -1
        return "".join(parts)


def _reader(lines: _Lines, body: BinaryIO, encoding: str) -> Iterator[list[str]]:
    """Tabs are mostly written without quoting, where a quote is a quote; spreadsheets quote them all the same."""
    sample = _sample(body, encoding)
    delimiter = _delimiter(sample)
    if delimiter == "\t" and not _QUOTED_CELL.search(sample):
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _header(records: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(records, [])
    except csv.Error as error:
        raise InvalidInput(f"the header cannot be read: {_quoting_problem(error)}", code="bad-header") from None
    return [name.strip() or f"column {position}" for position, name in enumerate(cells, 1)]


def _quoting_problem(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quote opened here is never closed, so the rest of the file was read as part of this row; close it"
    if "longer than" in str(error):
        return f"{error}; a quote opened here may never be closed"
    return f"its quotes or cells cannot be read ({error}); double a quote that stands inside a quoted cell"


def _check_header(names: list[str]) -> None:
    if not names:
        raise InvalidInput("the table is empty; its first line must name the columns", code="empty-source")
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(f"the table has {len(names):,} columns; at most {MAX_COLUMNS:,} are read", code="bad-header")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidInput(f"the column {doubled[0][:60]!r} comes twice in the header; rename one", code="bad-header")


def _encoding(body: BinaryIO) -> _Encoding:
    """The encoding of the whole: strict UTF-8 if all of it is, else what a sample suggests, which is said."""
    check = codecs.getincrementaldecoder("utf-8-sig")()
    sample = body.read(_SAMPLE_BYTES)
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        body.seek(0)
        return _Encoding("utf-16")
    block = sample
    try:
        while block:
            check.decode(block)
            block = body.read(_BLOCK_BYTES)
        check.decode(b"", final=True)
        return _Encoding("utf-8-sig")
    except UnicodeDecodeError as error:
        return _guessed(sample, block or sample, error.start)
    finally:
        body.seek(0)


def _guessed(sample: bytes, block: bytes, at: int) -> _Encoding:
    """What the first lines, and those from about byte ``at`` of a block that is no UTF-8, look like."""
    if block is not sample:
        damaged = block[block.rfind(b"\n", 0, at) + 1 :][:_SAMPLE_BYTES]
        sample = sample[: sample.rfind(b"\n", 0, _HEAD_BYTES) + 1] + damaged
    guess = decode(sample).encoding
    if guess != "cp1252" and _reads_alike(sample, guess, "cp1252"):
        guess = "cp1252"  # by far the most frequent of those that share their letters
    return _Encoding(guess, (f"the encoding was guessed: {guess}",) if guess != "utf-8" else ())


def _reads_alike(sample: bytes, one: str, other: str) -> bool:
    return sample.decode(one, "replace") == sample.decode(other, "replace")


def _sample(body: BinaryIO, encoding: str) -> str:
    position = body.tell()
    body.seek(0)
    sample = body.read(_SAMPLE_BYTES)
    body.seek(position)
    return sample.decode(encoding, "replace").lstrip("\ufeff\r\n")


def _delimiter(sample: str) -> str:
    """The candidate that the header line has most of, outside quotes; a comma where there is none."""
    bare = "".join(sample.split("\n", 1)[0].split('"')[::2])
    return max(_DELIMITERS, key=bare.count)
