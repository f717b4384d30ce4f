"""Which media types are read, and by what. A new format is one module beside this one and one line here."""

from __future__ import annotations

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.extract.html import extract_html
from services.ingest.extract.json_object import extract_json_object
from services.ingest.extract.markdown import extract_markdown
from services.ingest.extract.plain import extract_plain
from services.ingest.extract.rst import extract_rst
from services.ingest.extract.types import Extractor, Tick
from services.ingest.values import Extracted

VERSION = 1
"""Raised when an extractor gives another text for the same bytes: chunk offsets point into the text of one version."""

_EXTRACTORS: dict[str, Extractor] = {
    "text/plain": extract_plain,
    "text/markdown": extract_markdown,
    "text/html": extract_html,
    "text/x-rst": extract_rst,
    "application/json": extract_json_object,
}


def register(media_type: str, extractor: Extractor) -> None:
    """Adds a format at start-up; the same media type again replaces it."""
    _EXTRACTORS[media_type] = extractor


def is_readable(media_type: str) -> bool:
    """Whether there is an extractor for ``media_type``."""
    return media_type in _EXTRACTORS


def readable_types() -> tuple[str, ...]:
    """The media types that are read, sorted."""
    return tuple(sorted(_EXTRACTORS))


def require_readable(media_type: str, *, pointer: str | None = None) -> None:
    """Refuses a media type without an extractor.

    Raises:
        UnsupportedMedia: naming those that are read.
    """
    if not is_readable(media_type):
        raise UnsupportedMedia(
            f"media type {media_type[:80]!r} is not read; readable are {', '.join(readable_types())}", pointer=pointer
        )


def extract(media_type: str, body: bytes, *, max_text_bytes: int, tick: Tick = lambda: None) -> Extracted:
    """Reads ``body`` as ``media_type``.

    Args:
        max_text_bytes: the largest text (UTF-8 bytes) that is taken.
        tick: called on progress, see ``Tick``.

    Raises:
        UnsupportedMedia: no extractor.
        InvalidInput: the bytes cannot be read, or the text is over the limit (code ``text-too-large``).
    """
    require_readable(media_type)
    extracted = _EXTRACTORS[media_type](body, tick)
    if len(extracted.text) * 4 > max_text_bytes:
        size = len(extracted.text.encode("utf-8"))
        if size > max_text_bytes:
            raise InvalidInput(
                f"the text is {size:,} bytes long, the limit is {max_text_bytes:,} (NEARFIELD_MAX_DOCUMENT_BYTES); "
                "split the document or raise the limit",
                code="text-too-large",
            )
    return extracted
