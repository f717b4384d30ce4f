"""What goes into ingestion and what comes out of an extractor, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
    so adding the same path again is an update. ``media_type`` is what the sender says; the content decides.
    """

    name: str
    body: bytes
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of an extracted text: code points ``start`` to ``end`` hold its line(s); level 1 is the highest."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's plain text. Every offset in the product counts code points of ``text``.

    ``title`` is what the document says of itself, "" when it says nothing. ``headings`` are in order of ``start``.
    """

    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    warnings: tuple[str, ...] = ()
