"""Attachments: documents inside a document, read in the same child and within the same limits.

Each follows the text of its mail under a heading with its name, and is a part of its own: no chunk holds the end of one
and the beginning of the next. What cannot be read is a warning, never the end of the mail: a message with 100
attachments, or with messages 50 deep, costs what the limits allow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import cast

from services.errors import InvalidInput
from services.ingest.cleaning import clean_file_name, clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.registry import extractor_of, is_readable
from services.ingest.extract.types import Tick
from services.ingest.extract.zip_guard import open_zip
from services.ingest.kinds.sniff import sniff
from services.ingest.rows.tabular import ATOM, CSV, JSON, NDJSON, RSS, ZIP
from services.ingest.values import Block, BlockKind, Extracted, Heading

MAX_DEPTH = 3
MAX_ATTACHMENTS = 100
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_TOTAL_CHARS = 16 * 1024 * 1024
MAX_WARNINGS = 50
_DEEPEST_HEADING = 6
_LEVEL = 2  # of an attachment's name; level 1 is the subject
# Formats that hold documents themselves: their readers take part in the limits.
_CONTAINERS = {"message/rfc822": "mail:read_mail", "application/vnd.ms-outlook": "outlook:read_outlook"}


@dataclass
class _Spent:
    """What all attachments of a document have used together."""

    count: int = 0
    size: int = 0
    chars: int = 0
    warnings: list[str] = field(default_factory=list)
    unsaid: int = 0


@dataclass(frozen=True)
class Nest:
    """Where attachments of one document go: its limits, how deep it stands, and what was wrong with them."""

    tick: Tick
    depth: int = 0
    spent: _Spent = field(default_factory=_Spent)

    def warn(self, text: str) -> None:
        """Notes what was not read; beyond the 50th only how many more there were."""
        if len(self.spent.warnings) < MAX_WARNINGS:
            self.spent.warnings.append(text)
        else:
            self.spent.unsaid += 1

    def warnings(self) -> tuple[str, ...]:
        """Everything noted so far."""
        more = (f"{self.spent.unsaid:,} more attachments have problems",) if self.spent.unsaid else ()
        return (*self.spent.warnings, *more)

    def add(self, builder: TextBuilder, name: str, body: bytes, claimed: str = "", *, level: int = _LEVEL) -> None:
        """Reads one attachment and appends its text below its name, a heading of ``level``."""
        shown = _shown(name)
        if self._admit(shown, len(body)):
            self._append(builder, shown, lambda: self._read(shown, body, claimed), level)

    def add_message(self, builder: TextBuilder, name: str, read: Callable[[Nest], Extracted]) -> None:
        """Appends a message that its container has parsed already; ``read`` gets the nest for what is inside it."""
        shown = _shown(name)
        if self._admit(shown, 0):
            self._append(builder, shown, lambda: read(self._deeper()), _LEVEL)

    def _deeper(self) -> Nest:
        return replace(self, depth=self.depth + 1)

    def _admit(self, name: str, size: int) -> bool:
        spent = self.spent
        spent.count += 1
        spent.size += size
        self.tick()
        if self.depth >= MAX_DEPTH:
            problem = f"attachments are read {MAX_DEPTH} levels deep"
        elif spent.count > MAX_ATTACHMENTS:
            problem = f"at most {MAX_ATTACHMENTS} attachments are read"
        elif spent.size > MAX_TOTAL_BYTES:
            problem = f"at most {MAX_TOTAL_BYTES:,} bytes of attachments are read"
        elif spent.chars > MAX_TOTAL_CHARS:
            problem = f"at most {MAX_TOTAL_CHARS:,} characters of attachments are taken"
        else:
            return True
        self.warn(f"attachment {name!r} was not read: {problem}")
        return False

    def _append(self, builder: TextBuilder, name: str, read: Callable[[], Extracted], level: int) -> None:
        try:
            extracted = read()
        except InvalidInput as error:
            self.warn(f"attachment {name!r} was not read: {error.message[:300]}")
            return
        for warning in extracted.warnings:
            self.warn(f"attachment {name!r}: {warning}")
        self.spent.chars += len(extracted.text)
        builder.begin_part()
        builder.add_heading(name, level)
        append_extracted(builder, extracted, below=level)

    def _read(self, name: str, body: bytes, claimed: str) -> Extracted:
        media_type, _ = sniff(body, name, claimed)
        if media_type in _CONTAINERS:
            module, _, function = _CONTAINERS[media_type].partition(":")
            reader = getattr(import_module(f"services.ingest.extract.{module}"), function)
            return cast(Extracted, reader(body, self._deeper()))
        if media_type == ZIP:
            return self._archive(body)
        if media_type in (CSV, NDJSON, JSON):
            decoded = decode(body)
            return Extracted(clean_text(decoded.text), warnings=decoded.warnings)
        media_type = "application/xml" if media_type in (RSS, ATOM) else media_type
        if not is_readable(media_type):
            raise InvalidInput("its format is not read")
        return extractor_of(media_type)(body, self.tick)

    def _archive(self, body: bytes) -> Extracted:
        archive, builder, inside = open_zip(body), TextBuilder(), self._deeper()
        for name in archive.names:
            try:
                content = archive.read(name)
            except InvalidInput as error:
                self.warn(f"attachment {_shown(name)!r} was not read: {error.message[:300]}")
            else:
                inside.add(builder, name, content, level=1)
        return Extracted(
            builder.text(),
            headings=tuple(builder.headings),
            blocks=tuple(builder.blocks),
            parts=tuple(builder.parts),
        )


def append_extracted(builder: TextBuilder, extracted: Extracted, *, below: int = 0) -> None:
    """Appends a text with its headings, ``below`` levels lower, its blocks and its parts.

    Its pages are left out: they belong to another document. What is added behind a text that has parts belongs to the
    last of them, unless ``begin_part`` is called before.
    """
    body = extracted.text.strip("\n").rstrip()
    if not body.strip():
        return
    cut = len(extracted.text) - len(extracted.text.lstrip("\n"))
    builder.add(body)
    shift = len(builder) - len(body) - cut
    inside = range(cut, cut + len(body) + 1)
    for heading in extracted.headings:
        if heading.start in inside and heading.end in inside:
            level = min(heading.level + below, _DEEPEST_HEADING)
            builder.headings.append(Heading(heading.start + shift, heading.end + shift, level, heading.text))
    for block in extracted.blocks:
        if block.start in inside and block.kind is not BlockKind.PARAGRAPH:
            builder.blocks.append(Block(block.start + shift, min(block.end, inside[-1]) + shift, block.kind))
    for part in extracted.parts:
        if cut < part < inside[-1]:
            builder.mark_part(part + shift)


def _shown(name: str) -> str:
    return clean_file_name(name)[-200:]
