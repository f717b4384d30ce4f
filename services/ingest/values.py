"""What goes into ingestion and what comes out of an extractor, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.ledger.bodies import Body


@dataclass(frozen=True, slots=True)
class TextInput:
    """One document given as text.

    ``id`` None asks for a generated one. ``text`` may be empty when ``title`` is not: then the title alone is found.
    """

    id: str | None
    text: str
    title: str = ""
    url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class FileInput:
    """One file as it was uploaded.

    ``name`` is its name or its path relative to the folder that was added; it makes the stable id when ``id`` is None,
    so adding the same path again is an update. ``media_type`` is what the sender says; the content decides. ``body`` is
    bytes or a seekable binary file, which whoever opened it closes. ``url`` is where people find the original.
    """

    name: str
    body: Body
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of an extracted text: code points ``start`` to ``end`` hold its line(s); level 1 is the highest."""

    start: int
    end: int
    level: int
    text: str


class BlockKind(StrEnum):
    """What a stretch of text is. A chunk is cut inside one only where it would not fit otherwise."""

    PARAGRAPH = "paragraph"
    LIST_ITEM = "list-item"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Block:
    """Code points ``start`` to ``end`` of an extracted text belong together. Blocks are in order and do not overlap."""

    start: int
    end: int
    kind: BlockKind


@dataclass(frozen=True, slots=True)
class PageMark:
    """Where a page (slide, sheet) of the original begins in the extracted text; ``number`` counts from 1."""

    start: int
    number: int


SHORT_PICTURE_SIDE, MAX_PICTURE_SIDE = 448, 3_584
"""A decoded picture's sides, in points: the shorter one, and the longer one of a picture that is 8 times as long."""
MAX_SOUND_S, MAX_SOUND_SAMPLES = 300, 14_400_000
"""How much of a sound is listened to: 5 minutes, at rates above 48 kHz as many samples as that has."""
SOUND_RATES = (1_000, 384_001)
"""Range of rates in Hz that recordings have."""


@dataclass(frozen=True, slots=True)
class MediaPart:
    """A decoded picture or sound, small enough to be handed on.

    ``kind`` is "image" or "audio". ``data`` is RGB, a byte each, row by row (``width`` and ``height`` say how many); or
    mono samples of 16 bits, little endian, at ``rate`` Hz.
    """

    kind: str
    data: bytes
    width: int = 0
    height: int = 0
    rate: int = 0


MAX_PARTS = 1_000
"""Further parts of one document: each is cut into chunks by itself, however short it is."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's plain text. Every offset in the product counts code points of ``text``.

    ``title`` is what the document says of itself, "" when it says nothing; likewise ``author``, ``date`` (YYYY-MM-DD,
    or RFC 3339 with a time) and ``language`` (ISO 639-1). ``headings``, ``pages`` and ``blocks`` are in order of
    ``start``; what stands in no block is a paragraph.

    ``parts`` are the offsets, ascending and at most ``MAX_PARTS``, at which another document begins within this one (an
    attachment, a file of an archive): no chunk and no overlap reaches from one part into the next. What stands before
    the first offset is a part, too.

    ``media`` is set for a picture or a sound; ``text`` is then what can be said of it in words.
    """

    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    warnings: tuple[str, ...] = ()
    pages: tuple[PageMark, ...] = ()
    blocks: tuple[Block, ...] = ()
    author: str = ""
    date: str = ""
    language: str = ""
    parts: tuple[int, ...] = ()
    media: MediaPart | None = None
