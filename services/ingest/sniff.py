"""What a file is: by its content first, then by its name, last by what the sender says."""

from __future__ import annotations

import re
from typing import NamedTuple

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.decode import looks_binary
from services.ingest.extract.registry import is_readable
from services.ingest.strict_json import skip_blanks
from services.ingest.tabular import CSV, JSON, NDJSON

_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (image, sound or video)"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "an SQLite database"),
)
_BY_EXTENSION = {
    "md": "text/markdown",
    "markdown": "text/markdown",
    "mdown": "text/markdown",
    "rst": "text/x-rst",
    "rest": "text/x-rst",
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "text/html",
    "ndjson": NDJSON,
    "jsonl": NDJSON,
    "json": JSON,
    "csv": CSV,
    "tsv": CSV,
}
_BY_CLAIM = {
    "application/jsonl": NDJSON,
    "application/jsonlines": NDJSON,
    "application/xhtml+xml": "text/html",
    "text/x-markdown": "text/markdown",
    "text/prs.fallenstein.rst": "text/x-rst",
    "text/tab-separated-values": CSV,
}
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_LINE_OF_NDJSON = re.compile(r"\{[^\n]*\}[ \t\r]*\n\s*\{")


class Sniffed(NamedTuple):
    """What a file is read as. ``is_source``: it holds many documents, one per line, row or item."""

    media_type: str
    is_source: bool


def sniff(body: bytes, name: str, claimed: str = "") -> Sniffed:
    """What to read ``body`` as; a media type that ``extract`` or, for a source, ``read_rows`` knows.

    Args:
        name: the file's name; only its extension counts.
        claimed: the media type the sender gave; it counts where content and name say nothing.

    Raises:
        InvalidInput: nothing in it (code ``empty-file``).
        UnsupportedMedia: a format that is not read, named by its content.
    """
    if not body.strip(b" \t\r\n\0\xef\xbb\xbf"):
        raise InvalidInput("the file is empty; there is nothing to search in it", code="empty-file")
    for magic, what in _MAGIC:
        if body.startswith(magic):
            raise _unsupported(f"it is {what}")
    claimed = claimed.split(";", 1)[0].strip().lower()
    claimed = _BY_CLAIM.get(claimed, claimed)
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    named = _BY_EXTENSION.get(extension, "")
    if not named and claimed != "text/plain" and (claimed in (NDJSON, CSV) or is_readable(claimed)):
        named = claimed
    if not named and looks_binary(body) and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unsupported("its content is binary")
    start = body[:8192].decode("utf-8", "replace").lstrip("\ufeff")
    if not named and _HTML_START.match(start):
        named = "text/html"
    if named == JSON:
        return _json_kind(start)
    return Sniffed(named or "text/plain", named in (NDJSON, CSV))


def _json_kind(start: str) -> Sniffed:
    """A .json file is an array of documents, one document, or lines of documents under the wrong name."""
    first = skip_blanks(start, 0)
    if _LINE_OF_NDJSON.match(start, first):
        return Sniffed(NDJSON, is_source=True)
    return Sniffed(JSON, start.startswith("[", first))


def _unsupported(problem: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"this file cannot be read: {problem}. Read are plain text, Markdown, HTML, reStructuredText, "
        "JSON, NDJSON and CSV; convert it to one of these"
    )
