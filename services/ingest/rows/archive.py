"""A ZIP of documents as a source: one document per member, and the rows of members that are sources themselves.

The directory is checked before anything is unpacked (``zip_guard``). A member that cannot be read becomes a row that
says why and the others go on. Archives in archives are read one level deep.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from services.errors import InvalidInput
from services.ingest.extract.zip_guard import GuardedZip, ZipLimits, open_zip
from services.ingest.kinds.sniff import sniff
from services.ingest.rows.tabular import ZIP, NumberedRow, read_rows
from services.ingest.values import FileInput

MEMBER_STRIDE = 1_000_000
"""Member ``n`` has the number ``n * MEMBER_STRIDE`` and its own parts the numbers behind that. So reading goes on
behind any part without unpacking the members before its own."""

_UNSEEN = ("thumbs.db", "desktop.ini")
_MAX_PLACE_CHARS = 300


def read_archive(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    """The members behind number ``after``, in the order of the directory, without folders and hidden files.

    ``file.name`` is the path within the archive ("inner/path.pdf", "inner.zip/path.pdf").

    Raises:
        InvalidInput: the archive as a whole is refused: damaged, encrypted, a bomb, names that lead out of it.
    """
    archive = open_zip(body)
    for position, name in enumerate((name for name in archive.names if not _is_hidden(name)), 1):
        first = position * MEMBER_STRIDE
        if first + MEMBER_STRIDE - 1 <= after:
            continue
        for row in _numbered(_member(archive, name, name, depth=0), first):
            if row.number > after:
                yield row


def _numbered(rows: Iterator[NumberedRow], first: int) -> Iterator[NumberedRow]:
    for number, row in zip(itertools.count(first), rows, strict=False):
        if number == first + MEMBER_STRIDE - 1:
            yield NumberedRow(number, None, f"{row.place}: it has more than {MEMBER_STRIDE - 1:,} rows; split it")
            return
        yield replace(row, number=number)


def _member(archive: GuardedZip, name: str, path: str, depth: int) -> Iterator[NumberedRow]:
    """What one member holds; numbers are given later."""
    place = path[-_MAX_PLACE_CHARS:]
    try:
        content = archive.read(name)
        media_type, is_source = sniff(content, name)
    except InvalidInput as error:
        yield NumberedRow(0, None, f"{place}: {error.message}", place=place)
        return
    if media_type == ZIP:
        yield from _inner_archive(content, path, depth)
    elif is_source:
        yield from _rows(media_type, content, place)
    else:
        yield NumberedRow(0, None, file=FileInput(path, content), place=place)


def _inner_archive(content: bytes, path: str, depth: int) -> Iterator[NumberedRow]:
    place = path[-_MAX_PLACE_CHARS:]
    try:
        if depth:
            raise InvalidInput("archives are read one level deep; unpack this one and add what is in it")
        inner = open_zip(content, limits=ZipLimits())
    except InvalidInput as error:
        yield NumberedRow(0, None, f"{place}: {error.message}", place=place)
        return
    for name in inner.names:
        if not _is_hidden(name):
            yield from _member(inner, name, f"{path}/{name}", depth + 1)


def _rows(media_type: str, content: bytes, place: str) -> Iterator[NumberedRow]:
    number = 0
    try:
        for row in read_rows(media_type, io.BytesIO(content)):
            number = row.number
            problem = f"{place}, row {number}: {row.problem}" if row.problem else ""
            yield replace(row, problem=problem, place=f"{place}, row {number}")
    except InvalidInput as error:
        yield NumberedRow(0, None, f"{place}, behind row {number}: {error.message}", place=place)


def _is_hidden(name: str) -> bool:
    steps = name.replace("\\", "/").split("/")
    return (
        any(step.startswith(".") for step in steps)
        or "__MACOSX" in steps
        or steps[-1].lower() in _UNSEEN
        or steps[-1].startswith("~$")
    )
