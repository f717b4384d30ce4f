"""Bytes to text by one stated rule: byte order mark, then strict UTF-8, then a guess that is told as a warning."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

from services.errors import InvalidInput

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 128 * 1024
_TOO_SHORT_TO_GUESS_BYTES = 64
_CANDIDATES = [  # left to itself the guesser reads "caf\xe9" as two Chinese characters
    *(f"cp{page}" for page in (1252, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258, 874, 932)),
    *("koi8_r", "koi8_u", "iso8859_2", "euc_jp", "gb18030", "big5", "euc_kr"),
]
_MAX_REPAIRS = 1000  # damaged UTF-8 is repaired up to one bad byte in this many
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the encoding it was read with, and what had to be guessed or replaced."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(body: bytes, *, declared: str = "") -> Decoded:
    """Reads ``body`` as text.

    Args:
        declared: an encoding the document itself names (an HTML meta tag); tried before guessing.

    Raises:
        InvalidInput: code ``undecodable-text``: binary data, or no encoding fits.
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _strict(body, encoding) or _repaired(body, encoding)
    if looks_binary(body):
        raise _undecodable("it looks like binary data")
    decoded = _strict(body, "utf-8")
    if decoded is not None:
        return decoded
    if declared and declared.lower() not in ("utf-8", "utf8"):
        decoded = _strict(body, declared)
        if decoded is not None:
            return decoded
    return _mostly_utf8(body) or _guessed(body)


def looks_binary(body: bytes) -> bool:
    """Whether the beginning of ``body`` has more control bytes than any text has. UTF-16 without a mark counts too."""
    sample = body[:8192]
    return len(_CONTROLS.findall(sample)) * 50 > len(sample)


def _strict(body: bytes, encoding: str) -> Decoded | None:
    try:
        return Decoded(body.decode(encoding), encoding)
    except (UnicodeError, LookupError, ValueError):
        return None


def _repaired(body: bytes, encoding: str) -> Decoded:
    return Decoded(
        body.decode(encoding, "replace"), encoding, (f"some bytes are not {encoding} and were replaced by \ufffd",)
    )


def _mostly_utf8(body: bytes) -> Decoded | None:
    """UTF-8 with a few damaged bytes: it has well-formed sequences beyond ASCII, and very few that are not."""
    text = body.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore")) - damaged
    if beyond_ascii <= damaged or damaged * _MAX_REPAIRS > len(body):
        return None
    return Decoded(text, "utf-8", (f"{damaged} damaged characters were replaced by \ufffd",))


def _guessed(body: bytes) -> Decoded:
    encoding = "cp1252"
    if len(body) >= _TOO_SHORT_TO_GUESS_BYTES:
        best = from_bytes(body[:_SAMPLE_BYTES], cp_isolation=_CANDIDATES).best()
        if best is None:
            raise _undecodable("it is not UTF-8 and no other encoding fits")
        encoding = best.encoding
    decoded = _strict(body, encoding) or _repaired(body, encoding)
    return Decoded(decoded.text, decoded.encoding, (f"not UTF-8: read as {encoding}", *decoded.warnings))


def _undecodable(reason: str) -> InvalidInput:
    return InvalidInput(
        f"the text cannot be decoded: {reason}. Text is read as UTF-8, or UTF-16 and UTF-32 with a byte order mark; "
        "save it as UTF-8 and add it again",
        code="undecodable-text",
    )
