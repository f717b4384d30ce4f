"""Results as frames, and back. What comes back is checked: it was written by a process that read untrusted bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from services.errors import InvalidInput
from services.ingest.rows.row import Row
from services.ingest.rows.tabular import NumberedRow
from services.ingest.sandbox.checks import Reader
from services.ingest.sandbox.frames import FrameWriter, UnusableResult, read_frames
from services.ingest.sandbox.media_results import media_part
from services.ingest.values import MAX_PARTS, Block, BlockKind, Extracted, FileInput, Heading, PageMark

_KINDS = tuple(BlockKind)
_WARNINGS, _WARNING_CHARS = 50, 300
# What readers say of a document. No other code is taken from a child: one may mean the product's own doing to a client.
_REFUSALS = frozenset(
    {
        "bad-header", "bad-row", "damaged-file", "empty-file", "empty-source", "encrypted", "invalid-input",
        "lone-surrogate", "malformed-json", "nested-too-deep", "no-text", "text-too-large", "too-large",
        "undecodable-text", "unsupported-media-type", "zip-bomb",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RowSlice:
    """Some rows of a source, in order; ``more``: there are others behind the last one."""

    rows: tuple[NumberedRow, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A reader ended with an exception of its own: ``kind`` is its class, ``trace`` where it came from."""

    kind: str
    trace: str


def write_extracted(writer: FrameWriter, found: Extracted) -> None:
    """A document's text with all that is known of it. Half surrogate pairs, which no UTF-8 carries, become "?"."""
    value = {
        "title": found.title,
        "author": found.author,
        "date": found.date,
        "language": found.language,
        "warnings": list(found.warnings),
        "headings": [[mark.start, mark.end, mark.level, mark.text] for mark in found.headings],
        "pages": [[mark.start, mark.number] for mark in found.pages],
        "blocks": [[block.start, block.end, _KINDS.index(block.kind)] for block in found.blocks],
        "parts": [[start] for start in found.parts],
    }
    writer.write(value, found.text.encode("utf-8", "replace"))
    if found.media is not None:
        part = found.media
        writer.write({"kind": part.kind, "width": part.width, "height": part.height, "rate": part.rate}, part.data)


def write_row(writer: FrameWriter, row: NumberedRow) -> None:
    """One part of a source: a row of text, an archive's file, or what is wrong with it."""
    value: dict[str, Any] = {
        "number": row.number,
        "problem": row.problem,
        "warnings": list(row.warnings),
        "place": row.place,
    }
    body = b""
    if row.row is not None:
        found = row.row
        value["row"] = {"id": found.id, "title": found.title, "url": found.url, "metadata": dict(found.metadata)}
        body = found.text.encode("utf-8", "surrogatepass")
    elif row.file is not None:
        file = row.file
        value["file"] = {"name": file.name, "id": file.id, "metadata": dict(file.metadata), "type": file.media_type}
        body = file.body if isinstance(file.body, bytes) else file.body.read()
    writer.write(value, body)


def write_end(writer: FrameWriter, *, more: bool) -> None:
    """Ends a slice of rows."""
    writer.write({"more": more})


def write_refusal(writer: FrameWriter, error: InvalidInput) -> None:
    """The document cannot be read, as its reader says."""
    writer.write({"refused": error.message, "code": error.code})


def write_breakdown(writer: FrameWriter, broken: Breakdown) -> None:
    """The reader broke."""
    writer.write({"broken": broken.kind, "trace": broken.trace})


def read_extracted(file: BinaryIO, *, most_bytes: int, max_text_bytes: int) -> Extracted | Breakdown:
    """What ``write_extracted`` wrote.

    Raises:
        UnusableResult: it is damaged, too long, or says what cannot be.
        InvalidInput: the reader refused the document.
    """
    frames = list(read_frames(file, most_bytes=most_bytes))
    if len(frames) not in (1, 2):
        raise UnusableResult(f"it has {len(frames)} parts")
    value, body = frames[0]
    fields = Reader(value)
    broken = _end_of(fields)
    if broken is not None:
        return broken
    if len(body) > max_text_bytes:
        raise UnusableResult("its text is over the limit")
    found = _extracted(fields, _decoded(body, "strict"))
    return replace(found, media=media_part(Reader(frames[1][0]), frames[1][1])) if len(frames) > 1 else found


def read_slice(file: BinaryIO, *, most_bytes: int, after: int) -> RowSlice | Breakdown:
    """What ``write_row`` and ``write_end`` wrote; raises as ``read_extracted``."""
    rows: list[NumberedRow] = []
    for value, body in read_frames(file, most_bytes=most_bytes):
        fields = Reader(value)
        broken = _end_of(fields)
        if broken is not None:
            return broken
        if "more" in value:
            more = fields.flag("more")
            if more and not rows:  # asked for what follows, it could say so for ever
                raise UnusableResult("it promises rows and has none")
            return RowSlice(tuple(rows), more)
        row = _row(fields, body)
        if row.number <= after:
            raise UnusableResult("its rows are out of order")
        after = row.number
        rows.append(row)
    raise UnusableResult("it ends within its rows")


def _end_of(fields: Reader) -> Breakdown | None:
    if fields.has("refused"):
        code = fields.code("code")
        raise InvalidInput(fields.line("refused", 1000), code=code if code in _REFUSALS else "damaged-file")
    if fields.has("broken"):
        return Breakdown(fields.line("broken", 80), fields.text("trace", 4000))
    return None


def _extracted(fields: Reader, text: str) -> Extracted:
    headings = tuple(
        Heading(start, end, min(max(level, 1), 9), title)
        for start, end, level, title in fields.marks("headings", (int, int, int, str), len(text))
    )
    blocks = tuple(_blocks(fields, len(text)))
    pages = tuple(PageMark(start, number) for start, number in fields.marks("pages", (int, int), len(text)))
    if any(page.number < 1 for page in pages):
        raise UnusableResult("a page has no number")
    return Extracted(
        text=text,
        title=fields.line("title", 1000),
        headings=headings,
        warnings=fields.lines("warnings", _WARNINGS, _WARNING_CHARS),
        pages=pages,
        blocks=blocks,
        author=fields.line("author", 300),
        date=fields.line("date", 40),
        language=fields.line("language", 20),
        parts=tuple(_parts(fields, len(text))),
    )


def _blocks(fields: Reader, length: int) -> Iterator[Block]:
    before = 0
    for start, end, kind in fields.marks("blocks", (int, int, int), length):
        if start < before or not 0 <= kind < len(_KINDS):
            raise UnusableResult("its blocks overlap")
        before = end
        yield Block(start, end, _KINDS[kind])


def _parts(fields: Reader, length: int) -> Iterator[int]:
    """Every part costs a chunk at least, so their number is bounded by itself: a million of them fit into a result."""
    before = 0
    for number, (start,) in enumerate(fields.marks("parts", (int,), length)):
        if start <= before or number >= MAX_PARTS:
            raise UnusableResult("its parts are empty or too many")
        before = start
        yield start


def _row(fields: Reader, body: bytes) -> NumberedRow:
    number, problem = fields.whole("number"), fields.line("problem", 1000)
    warnings = fields.lines("warnings", _WARNINGS, _WARNING_CHARS)
    place = fields.line("place", 2000)
    if fields.has("file"):
        inner = fields.inner("file")
        file = FileInput(
            inner.text("name", 4000), body, inner.text_or_none("id"), inner.mapping("metadata"), inner.line("type", 200)
        )
        return NumberedRow(number, None, problem, file=file, warnings=warnings, place=place)
    if not fields.has("row"):
        return NumberedRow(number, None, problem or "it could not be read", warnings=warnings, place=place)
    inner = fields.inner("row")
    text = _decoded(body, "surrogatepass")
    row = Row(inner.text_or_none("id"), text, inner.text("title"), inner.text("url"), inner.mapping("metadata"))
    return NumberedRow(number, row, problem, warnings=warnings, place=place)


def _decoded(body: bytes, errors: str) -> str:
    try:
        return body.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise UnusableResult("its text is no UTF-8") from None
