"""A ZIP of documents as a source: one document per member, and the rows of members that are sources themselves.

The directory is checked before anything is unpacked (``zip_guard``). A member that cannot be read becomes a row that
says why and the others go on. Archives in archives are read one level deep.
"""

from __future__ import annotations

import io
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
        taken = max(0, after - first + 1)
        if taken < MEMBER_STRIDE:
            for row in _bounded(_member(archive, name, taken)):
                if row.number > taken:
                    yield replace(row, number=first + row.number - 1)


def _bounded(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    for row in rows:
        if row.number >= MEMBER_STRIDE:
            yield NumberedRow(
                MEMBER_STRIDE, None, f"{row.place}: it has more than {MEMBER_STRIDE - 1:,} rows; split it"
            )
            return
        yield row


def _member(archive: GuardedZip, name: str, taken: int) -> Iterator[NumberedRow]:
    """What a member holds, numbered from 1; of a table only what is behind the rows that are taken already."""
    place = name[-_MAX_PLACE_CHARS:]
    content, media_type, is_source, unread = _opened(archive, name, place)
    if unread is not None:
        yield unread
    elif media_type == ZIP:
        yield from _counted(_inner_archive(content, name))
    elif is_source:
        yield from _rows(media_type, content, place, taken)
    else:
        yield NumberedRow(1, None, file=FileInput(name, content), place=place)


def _opened(archive: GuardedZip, name: str, place: str) -> tuple[bytes, str, bool, NumberedRow | None]:
    """A member's bytes, what they are, whether they are a source; or a row that says why it cannot be read."""
    try:
        content = archive.read(name)
        media_type, is_source = sniff(content, name, media=True)  # whether the collection takes it is seen later
    except InvalidInput as error:
        return b"", "", False, NumberedRow(1, None, f"{place}: {error.message}", place=place)
    return content, media_type, is_source, None


def _counted(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    return (replace(row, number=number) for number, row in enumerate(rows, 1))


def _inner_archive(content: bytes, path: str) -> Iterator[NumberedRow]:
    """The members of an archive in the archive; their numbers mean nothing yet."""
    try:
        inner = open_zip(content, limits=ZipLimits())
    except InvalidInput as error:
        place = path[-_MAX_PLACE_CHARS:]
        yield NumberedRow(0, None, f"{place}: {error.message}", place=place)
        return
    for name in inner.names:
        if _is_hidden(name):
            continue
        place = f"{path}/{name}"[-_MAX_PLACE_CHARS:]
        member, media_type, is_source, unread = _opened(inner, name, place)
        if unread is not None:
            yield unread
        elif media_type == ZIP:
            yield NumberedRow(
                0,
                None,
                f"{place}: archives are read one level deep; unpack this one and add what is in it",
                place=place,
            )
        elif is_source:
            yield from _rows(media_type, member, place, 0)
        else:
            yield NumberedRow(0, None, file=FileInput(f"{path}/{name}", member), place=place)


def _rows(media_type: str, content: bytes, place: str, taken: int) -> Iterator[NumberedRow]:
    number = taken
    try:
        for row in read_rows(media_type, io.BytesIO(content), after=taken):
            number = row.number
            problem = f"{place}, row {number}: {row.problem}" if row.problem else ""
            yield replace(row, problem=problem, place=f"{place}, row {number}")
    except InvalidInput as error:
        yield NumberedRow(number + 1, None, f"{place}, behind row {number}: {error.message}", place=place)


def _is_hidden(name: str) -> bool:
    steps = name.replace("\\", "/").split("/")
    return (
        any(step.startswith(".") for step in steps)
        or "__MACOSX" in steps
        or steps[-1].lower() in _UNSEEN
        or steps[-1].startswith("~$")
    )
