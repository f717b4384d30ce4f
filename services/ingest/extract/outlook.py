"""Outlook messages (.msg): subject, people, date, the text, and what is attached.

Properties of a message are streams of an OLE file. python-oxmsg reads them; which of them count, what stands in when
one is missing, and messages inside messages are settled here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.dates import date_text
from services.ingest.extract.html import extract_html_part
from services.ingest.extract.language import detect_language
from services.ingest.extract.nested import Nest, append_extracted
from services.ingest.extract.properties import clean_property
from services.ingest.extract.types import Tick
from services.ingest.values import Extracted

_SUBJECT, _BODY, _HTML = 0x0037, 0x1000, 0x1013  # the last as bytes or as text
_SENDER_NAME, _SENDER_MAIL, _SENDER_SMTP, _ON_BEHALF = 0x0C1A, 0x0C1F, 0x5D01, 0x0042
_SENT, _DELIVERED, _MADE = 0x0039, 0x0E06, 0x3007
_NAME, _MAIL, _SMTP, _RECIPIENT_TYPE = 0x3001, 0x3003, 0x39FE, 0x0C15
_LONG_NAME, _SHORT_NAME, _DATA, _MIME, _CONTENT_ID = 0x3707, 0x3704, 0x3701, 0x370E, 0x3712
_RECIPIENTS, _ATTACHMENTS, _EMBEDDED = "__recip_version1.0_#", "__attach_version1.0_#", "__substg1.0_3701000D"
_HEADER_BYTES, _EMBEDDED_HEADER_BYTES, _PART_HEADER_BYTES = 32, 24, 8
_MAX_RECIPIENTS = 50
# What olefile and python-oxmsg let out of broken files; OleFileError is an OSError.
_READER_ERRORS = (
    OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error, OverflowError,
    RecursionError,
)  # fmt: skip


def extract_outlook(body: bytes, tick: Tick) -> Extracted:
    """The text of a message and of its attachments."""
    return read_outlook(body, Nest(tick))


def read_outlook(body: bytes, nest: Nest) -> Extracted:
    """A message that may be an attachment itself: ``nest`` holds the limits of all that is inside.

    Raises:
        InvalidInput: it cannot be taken apart (code ``damaged-file``).
    """
    from oxmsg.storage import OleFileIO, Storage  # type: ignore[attr-defined]  # the very reader that Storage expects

    try:
        with OleFileIO(BytesIO(body)) as file:
            storage = Storage.from_ole(file)
    except _READER_ERRORS as error:
        raise InvalidInput(
            f"the Outlook message cannot be read: it is damaged or cut off ({str(error)[:200]})", code="damaged-file"
        ) from error
    return _read(_Part(storage, _HEADER_BYTES), nest)


class _Part:
    """Properties of a message, recipient or attachment; one that is broken counts as missing."""

    def __init__(self, storage: Any, header_bytes: int) -> None:
        from oxmsg.properties import Properties

        self.storage = storage
        self._properties = Properties(storage, header_bytes)

    def text(self, *ids: int) -> str:
        """The first of the properties that holds a text."""
        for number in ids:
            value = self._try(lambda number=number: self._properties.str_prop_value(number))  # type: ignore[misc]
            if isinstance(value, str) and value.strip("\0 "):
                return clean_text(value).encode("utf-8", "replace").decode("utf-8")
        return ""

    def data(self, number: int) -> bytes:
        """A binary property."""
        value = self._try(lambda: self._properties.binary_prop_value(number))
        return value if isinstance(value, bytes) else b""

    def whole(self, number: int) -> int:
        """A whole number, 0 when it is missing."""
        value = self._try(lambda: self._properties.int_prop_value(number))
        return value if isinstance(value, int) else 0

    def date(self, *ids: int) -> str:
        """The first of the properties that holds a moment."""
        for number in ids:
            value = self._try(lambda number=number: self._properties.date_prop_value(number))  # type: ignore[misc]
            if isinstance(value, datetime):
                return date_text(value)
        return ""

    def encoding(self) -> str:
        """The encoding of its HTML."""
        value = self._try(lambda: self._properties.body_encoding)
        return value if isinstance(value, str) else ""

    def parts(self, prefix: str) -> Iterator[_Part]:
        """What hangs below it, such as its attachments."""
        for storage in self.storage.storages:
            if storage.name.startswith(prefix):
                yield _Part(storage, _PART_HEADER_BYTES)

    def embedded(self) -> _Part | None:
        """The message that an attachment is."""
        for storage in self.storage.storages:
            if storage.name == _EMBEDDED:
                return _Part(storage, _EMBEDDED_HEADER_BYTES)
        return None

    def _try(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except _READER_ERRORS:
            return None


def _read(message: _Part, nest: Nest) -> Extracted:
    subject = clean_property(message.text(_SUBJECT))
    sender = _person(message.text(_SENDER_NAME, _ON_BEHALF), message.text(_SENDER_SMTP, _SENDER_MAIL))
    date = message.date(_SENT, _DELIVERED, _MADE)
    builder = TextBuilder()
    builder.add_heading(subject, 1)
    people = {"From": sender, "To": _recipients(message, 1), "Cc": _recipients(message, 2), "Date": date}
    builder.add("\n".join(f"{name}: {shown}" for name, shown in people.items() if shown))
    own = len(builder)
    warnings = _add_body(builder, message)
    said = builder.text()[own:].strip()
    for position, attachment in enumerate(message.parts(_ATTACHMENTS), 1):
        _attach(builder, attachment, position, nest)
    return Extracted(
        builder.text(),
        subject,
        tuple(builder.headings),
        (*warnings, *(nest.warnings() if nest.depth == 0 else ())),
        blocks=tuple(builder.blocks),
        author=sender,
        date=date,
        language=detect_language(said or builder.text()) if nest.depth == 0 else "",
        parts=tuple(builder.parts),
    )


def _add_body(builder: TextBuilder, message: _Part) -> tuple[str, ...]:
    plain = message.text(_BODY)
    if plain:
        builder.add(plain)
        return ()
    source = message.text(_HTML)
    warnings: tuple[str, ...] = ()
    coded = message.data(_HTML)
    if coded:
        try:
            source = coded.decode(message.encoding(), "replace")
        except (LookupError, ValueError):
            decoded = decode(coded)
            source, warnings = decoded.text, decoded.warnings
    append_extracted(builder, extract_html_part(source), below=1)
    return warnings


def _attach(builder: TextBuilder, attachment: _Part, position: int, nest: Nest) -> None:
    name = attachment.text(_LONG_NAME, _SHORT_NAME, _NAME)
    inner = attachment.embedded()
    if inner is not None:
        shown = name or clean_property(inner.text(_SUBJECT)) or f"message {position}"
        nest.add_message(builder, shown, lambda deeper: _read(inner, deeper))
        return
    kind = attachment.text(_MIME)
    if kind.startswith("image/") and attachment.text(_CONTENT_ID):
        return  # a picture within the text
    nest.add(builder, name or f"attachment {position}", attachment.data(_DATA), kind)


def _recipients(message: _Part, kind: int) -> str:
    """The people of one kind: 1 is To, 2 is Cc."""
    found = [part for part in message.parts(_RECIPIENTS) if (part.whole(_RECIPIENT_TYPE) or 1) == kind]
    people = [_person(part.text(_NAME), part.text(_SMTP, _MAIL)) for part in found[:_MAX_RECIPIENTS]]
    return ", ".join(person for person in people if person)


def _person(name: str, mail: str) -> str:
    """Name and address as one text; addresses of Exchange's own kind ("/O=...") mean nothing to people."""
    name, mail = clean_property(name), clean_property(mail)
    mail = mail if "@" in mail else ""
    if name and mail and name.lower() != mail.lower():
        return f"{name} <{mail}>"
    return name or mail
