"""Which media types are read, and by what. A new format is one module beside this one and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.extract.types import Extractor, Tick
from services.ingest.kinds.media_kinds import PICTURES, SOUNDS
from services.ingest.values import Extracted

VERSION = 2
"""Raised when an extractor gives another text for the same bytes: chunk offsets point into the text of one version."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_HERE = "services.ingest.extract."

# "module:function" below this package, imported when first needed: web knows what can be read and imports no reader.
_READERS: dict[str, str] = {
    "text/plain": "plain:extract_plain",
    "text/markdown": "markdown:extract_markdown",
    "text/html": "html:extract_html",
    "text/x-rst": "rst:extract_rst",
    "application/json": "json_object:extract_json_object",
    "application/pdf": "pdf:extract_pdf",
    f"{_OFFICE}wordprocessingml.document": "docx:extract_docx",
    f"{_OFFICE}presentationml.presentation": "pptx:extract_pptx",
    f"{_OFFICE}spreadsheetml.sheet": "spreadsheet:extract_spreadsheet",
    "application/vnd.ms-excel": "spreadsheet:extract_spreadsheet",
    f"{_OPEN}spreadsheet": "spreadsheet:extract_spreadsheet",
    f"{_OPEN}text": "opendocument:extract_opendocument",
    f"{_OPEN}presentation": "opendocument:extract_opendocument",
    "application/epub+zip": "epub:extract_epub",
    "application/rtf": "rtf:extract_rtf",
    "message/rfc822": "mail:extract_mail",
    "application/vnd.ms-outlook": "outlook:extract_outlook",
    "application/x-ipynb+json": "notebook:extract_notebook",
    "application/xml": "xml:extract_xml",
    **dict.fromkeys(sorted(PICTURES), "picture:extract_picture"),
    **dict.fromkeys(sorted(SOUNDS), "sound:extract_sound"),
}
# Formats that no text can be in: bytes alone are, so they come as files.
_BINARY = frozenset(
    {"application/pdf", "application/vnd.ms-excel", "application/epub+zip", "application/vnd.ms-outlook"}
)
_EXTRACTORS: dict[str, Extractor] = {}
_MIN_CHARS_FOR_LANGUAGE = 200
# Their readers tell the language themselves, or that it is not known: most of the text may be an attachment's.
_KNOWN_BY_READER = ("message/rfc822", "application/vnd.ms-outlook")
_PLUGINS: dict[str, str] = {}  # the same, with whole module names, from the settings


def register(media_type: str, extractor: Extractor) -> None:
    """Adds a format at start-up; the same media type again replaces it."""
    _EXTRACTORS[media_type] = extractor


def use_plugins(places: Mapping[str, str]) -> None:
    """Takes further readers, "module:function" by media type, which win over our own; replaces those of before."""
    for media_type in {*_PLUGINS, *places}:
        _EXTRACTORS.pop(media_type, None)
    _PLUGINS.clear()
    _PLUGINS.update(places)


def is_added(media_type: str) -> bool:
    """Whether a plug-in reads ``media_type`` and nothing else does: content alone cannot tell that it is that."""
    return media_type in _PLUGINS and media_type not in _READERS


def is_readable(media_type: str) -> bool:
    """Whether there is an extractor for ``media_type``."""
    return media_type in _EXTRACTORS or media_type in _PLUGINS or media_type in _READERS


def readable_types() -> tuple[str, ...]:
    """The media types that are read, sorted."""
    return tuple(sorted({*_READERS, *_PLUGINS, *_EXTRACTORS}))


def extractor_of(media_type: str) -> Extractor:
    """The extractor of a readable media type; imports it when it is the first time."""
    if media_type not in _EXTRACTORS:
        place = _PLUGINS.get(media_type) or _HERE + _READERS[media_type]
        module, _, function = place.partition(":")
        _EXTRACTORS[media_type] = getattr(import_module(module), function)
    return _EXTRACTORS[media_type]


def require_readable(media_type: str, *, pointer: str | None = None) -> None:
    """Refuses a media type without an extractor.

    Raises:
        UnsupportedMedia: naming those that are read.
    """
    if not is_readable(media_type):
        raise UnsupportedMedia(
            f"media type {media_type[:80]!r} is not read; readable are {', '.join(readable_types())}", pointer=pointer
        )


def require_textual(media_type: str, *, pointer: str | None = None) -> None:
    """Refuses what a text cannot be in: a media type that is not read, or one of files that are no text.

    Raises:
        UnsupportedMedia: as ``require_readable``.
    """
    require_readable(media_type, pointer=pointer)
    if media_type in _BINARY | PICTURES | SOUNDS or media_type.startswith((_OFFICE, _OPEN)):
        raise UnsupportedMedia(
            f"a text cannot be {media_type}: that is a format of files; upload it as a file", pointer=pointer
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
    extracted = extractor_of(media_type)(body, tick)
    if len(extracted.text) * 4 > max_text_bytes:
        size = len(extracted.text.encode("utf-8"))
        if size > max_text_bytes:
            raise InvalidInput(
                f"the text is {size:,} bytes long, the limit is {max_text_bytes:,} (NEARFIELD_MAX_DOCUMENT_BYTES); "
                "split the document or raise the limit",
                code="text-too-large",
            )
    return _with_language(media_type, extracted)


def _with_language(media_type: str, extracted: Extracted) -> Extracted:
    """With a language where the document names none and its text leaves no doubt; a short plain text is not asked."""
    if extracted.language or extracted.media is not None or media_type in _KNOWN_BY_READER:
        return extracted
    if media_type == "text/plain" and len(extracted.text) < _MIN_CHARS_FOR_LANGUAGE:
        return extracted
    from services.ingest.extract.language import detect_language

    language = detect_language(extracted.text)
    return replace(extracted, language=language) if language else extracted
