"""Mail (RFC 5322 and MIME): subject, people, date, the text somebody wrote, and what is attached.

Where a mail says the same as plain text and as HTML, the plain text is taken. Headers and charsets of mails are broken
in every way there is; each is read by itself, and what makes no sense is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesFeedParser
from email.policy import EmailPolicy
from email.utils import getaddresses
from typing import Any

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.dates import read_date
from services.ingest.extract.html import extract_html_part
from services.ingest.extract.language import detect_language
from services.ingest.extract.nested import Nest, append_extracted
from services.ingest.extract.properties import clean_property
from services.ingest.extract.types import Tick
from services.ingest.values import Extracted

_HEADER_CHARS = 20_000
_SHOWN_CHARS = 2_000
_ADDRESSES = 50
_PARTS = 1_000
_TOO_MANY_PARTS = f"only the first {_PARTS:,} parts of the mail were read"
_FEED_BYTES = 64 * 1024
# A file name has 255 bytes, of which an encoding makes three times as many. The parser of parameters needs time with
# the square of their length: 3 s for 47 kB, 5 ms for this.
_PARAMETER_CHARS = 2_000
# What the parsers of the standard library let out of broken headers and bodies.
_PARSER_ERRORS = (
    ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, MessageError,
)  # fmt: skip
_UNTOLD = re.compile(r"(?:image/.*|application/(?:pgp-signature|(?:x-)?pkcs7-signature)|text/calendar)")
_BOUNDARY = re.compile(rb"""boundary(?:\*0?\*?)?\s{0,100}=\s{0,100}["']?([^"'\r\n;]{1,200})""", re.IGNORECASE)
_UNKNOWN_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "default")


def extract_mail(body: bytes, tick: Tick) -> Extracted:
    """The text of a mail and of its attachments."""
    return read_mail(body, Nest(tick))


def read_mail(body: bytes, nest: Nest) -> Extracted:
    """A mail that may be an attachment itself: ``nest`` holds the limits of all that is inside.

    Raises:
        InvalidInput: it cannot be taken apart (code ``damaged-file``).
    """
    body = _without_mailbox_line(body)
    end = _end_of_parts(body)
    if end < len(body):
        nest.warn(_TOO_MANY_PARTS)
    parser = BytesFeedParser(EmailMessage, policy=_POLICY)
    try:
        for start in range(0, end, _FEED_BYTES):
            parser.feed(body[start : min(start + _FEED_BYTES, end)])
            nest.tick()
        message = parser.close()
    except RecursionError:
        raise InvalidInput(
            "the mail cannot be read: its parts are nested too deep; forward what is inside by itself",
            code="damaged-file",
        ) from None
    except _PARSER_ERRORS as error:
        raise InvalidInput(f"the mail cannot be read: {str(error)[:200]}", code="damaged-file") from error
    return _read(message, nest)


def _without_mailbox_line(body: bytes) -> bytes:
    """Files out of mailboxes begin with a line "From somebody date", which is no header."""
    return body.partition(b"\n")[2] if body.startswith(b"From ") else body


def _end_of_parts(body: bytes) -> int:
    """Where the parts end that are read: what is not parsed costs nothing (90,000 parts: 10 s and 300 MB)."""
    lines = {b"--" + found.group(1).strip() for found in _BOUNDARY.finditer(body)}
    if not lines:
        return len(body)
    count = 0
    for found in re.finditer(rb"^--[^\r\n]{1,200}", body, re.MULTILINE):
        count += found.group().rstrip() in lines
        if count > _PARTS:
            return found.start()
    return len(body)


class _ShortHeaders(EmailPolicy):
    """The library's rules for headers of today, for the beginning of each: it parses anew at every look."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value if hasattr(value, "name") else value[:_PARAMETER_CHARS])


_POLICY = _ShortHeaders()


@dataclass
class _Found:
    """Parts of a mail, sorted: texts to read in order, and what is attached."""

    texts: list[Message] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)


def _read(message: Message, nest: Nest) -> Extracted:
    subject = clean_property(_header(message, "subject"))
    sender = _people(message, "from")
    date = read_date(_header(message, "date"))
    builder = TextBuilder()
    builder.add_heading(subject, 1)
    people = [(name, _people(message, name.lower())) for name in ("From", "To", "Cc")]
    lines = [f"{name}: {shown}" for name, shown in people if shown]
    builder.add("\n".join([*lines, f"Date: {date}"] if date else lines))
    own = len(builder)
    found = _Found()
    _sort(message, found, nest)
    warnings: list[str] = []
    for part in found.texts:
        warnings += _add_text(builder, part)
        nest.tick()
    said = builder.text()[own:].strip()
    for position, part in enumerate(found.attached, 1):
        _attach(builder, part, position, nest)
    return Extracted(
        builder.text(),
        subject,
        tuple(builder.headings),
        (*warnings, *(nest.warnings() if nest.depth == 0 else ())),
        blocks=tuple(builder.blocks),
        author=sender,
        date=date,
        # An attachment's language is not the mail's, save of a mail that says nothing.
        language=detect_language(said or builder.text()) if nest.depth == 0 else "",
        parts=tuple(builder.parts),
    )


def _sort(message: Message, found: _Found, nest: Nest) -> None:
    """Walks the parts without recursion. An alternative gives its plain text, or else its last readable one."""
    waiting: list[tuple[Message, bool]] = [(message, True)]
    for _ in range(_PARTS):
        if not waiting:
            return
        nest.tick()
        part, wanted = waiting.pop()
        kind = _content_type(part)
        children = part.get_payload() if part.is_multipart() else []
        parts = [child for child in children if isinstance(child, Message)] if isinstance(children, list) else []
        if kind == "multipart/alternative":
            chosen = _chosen(parts) if wanted else None
            waiting += [(child, child is chosen) for child in reversed(parts)]
        elif kind.startswith("multipart/"):
            waiting += [(child, wanted) for child in reversed(parts)]
        elif kind in ("text/plain", "text/html") and not _is_attached(part):
            found.texts += [part] * wanted
        elif not (_UNTOLD.fullmatch(kind) and not _is_attached(part)):
            found.attached.append(part)
    if _TOO_MANY_PARTS not in nest.warnings():
        nest.warn(_TOO_MANY_PARTS)


def _chosen(parts: list[Message]) -> Message | None:
    """The alternative that is read: plain text with something in it, then HTML at any depth, then the last."""
    for part in parts:
        if _content_type(part) == "text/plain" and _bytes(part).strip():
            return part
    return next((part for part in reversed(parts) if _content_type(part) == "text/html" or part.is_multipart()), None)


def _add_text(builder: TextBuilder, part: Message) -> tuple[str, ...]:
    body, charset = _bytes(part), _charset(part)
    try:
        text, warnings = _decoded(body, charset)
    except InvalidInput as error:
        return (f"a part of the mail was not read: {error.message[:200]}",)
    if _content_type(part) == "text/html":
        extracted = extract_html_part(text)
        append_extracted(builder, extracted, below=1)
        return (*warnings, *extracted.warnings)
    builder.add(clean_text(text))
    return warnings


def _decoded(body: bytes, charset: str) -> tuple[str, tuple[str, ...]]:
    """By the charset that the part names; many name none or the wrong one, then the rules for files count."""
    if charset not in _UNKNOWN_CHARSETS:
        try:
            return body.decode(charset, "replace"), ()
        except (LookupError, ValueError):
            pass
    decoded = decode(body)
    return decoded.text, decoded.warnings


def _attach(builder: TextBuilder, part: Message, position: int, nest: Nest) -> None:
    kind, name = _content_type(part), _file_name(part)
    if kind == "message/rfc822":
        inner = part.get_payload()
        message = inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], Message) else None
        if message is not None:
            shown = name or clean_property(_header(message, "subject")) or f"message {position}"
            nest.add_message(builder, shown, lambda deeper: _read(message, deeper))
            return
    nest.add(builder, name or f"attachment {position}", _bytes(part), kind)


def _header(message: Message, name: str) -> str:
    """A header as text, cut before it is parsed: the parser's time grows with the square of its length."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "")
    raw = " ".join(raw[:_HEADER_CHARS].split())
    try:
        return clean_text(str(make_header(decode_header(raw))))
    except _PARSER_ERRORS:
        return clean_text(raw.encode("utf-8", "replace").decode("utf-8"))


def _people(message: Message, name: str) -> str:
    """The people of an address header as "Name <mail>", one after another."""
    header = _header(message, name)
    try:
        pairs = getaddresses([header])[:_ADDRESSES]
    except _PARSER_ERRORS:
        pairs = []
    shown = [f"{person} <{mail}>" if person and mail else person or mail for person, mail in pairs if person or mail]
    return clean_property(", ".join(shown)[:_SHOWN_CHARS] or header[:_SHOWN_CHARS])


def _content_type(part: Message) -> str:
    try:
        return part.get_content_type()
    except _PARSER_ERRORS:
        return "application/octet-stream"


def _charset(part: Message) -> str:
    try:
        return (part.get_content_charset("") or "").lower()
    except _PARSER_ERRORS:
        return ""


def _file_name(part: Message) -> str:
    try:
        return clean_text(str(part.get_filename("") or ""))
    except _PARSER_ERRORS:
        return ""


def _is_attached(part: Message) -> bool:
    try:
        return part.get_content_disposition() == "attachment" or bool(_file_name(part))
    except _PARSER_ERRORS:
        return False


def _bytes(part: Message) -> bytes:
    try:
        payload: Any = part.get_payload(decode=True)
    except _PARSER_ERRORS:
        return b""
    return payload if isinstance(payload, bytes) else b""
