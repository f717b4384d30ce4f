"""What a text is written in, by its beginning: mail, notebook, feed, XML, HTML, lines of JSON."""

from __future__ import annotations

import codecs
import re

from services.ingest.extract.types import words
from services.ingest.rows.strict_json import skip_blanks
from services.ingest.rows.tabular import ATOM, JSON, NDJSON, RSS

MAIL = "message/rfc822"
NOTEBOOK = "application/x-ipynb+json"
XML = "application/xml"
HTML = "text/html"

_START_BYTES = 64 * 1024
_HEADER_CHARS = 16 * 1024
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_LINE_OF_NDJSON = re.compile(r"\{[^\n]*\}[ \t\r]*\n\s*\{")
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]{0,400}\?>")
_PROLOGUE = re.compile(r"\s+|<\?[^>]{0,2000}?\?>|<!--.{0,20000}?-->", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\s+([\w:.-]{1,100})[^\[>]{0,2000}(?:\[.{0,60000}?\]\s{0,100})?>", re.DOTALL)
_ROOT = re.compile(r"<(?:([\w.-]{1,100}):)?([\w.-]{1,100})([^>]{0,8000})>?", re.DOTALL)
_CELLS = re.compile(r'"cell(?:s|_type)"\s*:')
_FORMAT = re.compile(r'"nbformat"\s*:\s*\d')
_HEADER_LINE = re.compile(r"([!-9;-~]{1,100}):")
_KNOWN_HEADERS = words("from to cc date subject message-id mime-version content-type reply-to received")
_HEADERS_OF_MAIL_ONLY = words("message-id mime-version received return-path delivered-to dkim-signature x-mailer")


def has_mark(head: bytes) -> bool:
    """Whether a byte order mark says that what looks binary is UTF-16 or UTF-32."""
    return any(head.startswith(mark) for mark, _ in _MARKS)


def beginning(head: bytes) -> str:
    """The first characters of a text in whatever Unicode encoding its mark names; UTF-8 without one."""
    encoding = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")
    return head[:_START_BYTES].decode(encoding, "replace").lstrip("\ufeff")


def markup_kind(start: str) -> str:
    """``HTML``, ``RSS``, ``ATOM`` or ``XML`` when the text begins as one of them, else ""."""
    if _HTML_START.match(start):
        return HTML
    position, declared = _behind_prologue(start)
    root = _ROOT.match(start, position)
    if root is None:
        return XML if declared else ""
    local, attributes = root.group(2), root.group(3)
    if local == "rss" or (local == "RDF" and "http://purl.org/rss/1.0/" in attributes):
        return RSS
    if local == "feed" and "http://www.w3.org/2005/Atom" in attributes:
        return ATOM
    if declared:
        return HTML if local.lower() == "html" else XML
    return ""


def _behind_prologue(start: str) -> tuple[int, bool]:
    """Where the root element begins, and whether the text says that it is XML."""
    found = _DECLARATION.match(start)
    position, declared = (found.end(), True) if found else (0, False)
    while True:
        step = _PROLOGUE.match(start, position)
        if step is None:
            step = _DOCTYPE.match(start, position)
            declared = declared or step is not None
        if step is None:
            return position, declared
        position = step.end()


def is_element(start: str) -> bool:
    """Whether the text begins with markup of any kind; asked of files that are named as XML."""
    return _ROOT.match(start, _behind_prologue(start)[0]) is not None


def is_notebook(start: str, end: str) -> bool:
    """Whether it is a JSON object with cells and ``nbformat``, which stands at the end of most notebooks."""
    return (
        start.startswith("{", skip_blanks(start, 0))
        and _CELLS.search(start) is not None
        and (_FORMAT.search(end) is not None or _FORMAT.search(start) is not None)
    )


def is_mail(start: str) -> bool:
    """Whether it begins with the header of a mail: nothing but header lines, and one that only mails have."""
    names = header_names(start)
    return "from" in names and bool(names & _HEADERS_OF_MAIL_ONLY) and len(names & _KNOWN_HEADERS) >= 3


def header_names(start: str) -> set[str]:
    """The names of the header lines that the text begins with, in lower case; empty when any line is none."""
    names: set[str] = set()
    lines = start[:_HEADER_CHARS].split("\n")
    cut = len(start) > _HEADER_CHARS
    for line in lines[:-1] if cut else lines:
        if not line.strip():
            break
        header = _HEADER_LINE.match(line)
        if header:
            names.add(header.group(1).lower())
        elif not (names and line[0] in " \t"):
            return set()
    return names


def json_kind(start: str) -> tuple[str, bool]:
    """A .json file is an array of documents, one document, or lines of documents under the wrong name.

    Returns:
        The media type, and whether it is a source of many documents.
    """
    first = skip_blanks(start, 0)
    if _LINE_OF_NDJSON.match(start, first):
        return NDJSON, True
    return JSON, start.startswith("[", first)
