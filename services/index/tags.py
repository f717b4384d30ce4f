"""Tag values as they stand in the index: letters, digits and underscores only.

The Query Engine trims blanks of a tag, splits it at a separator, and does not match a backslash before a special
character or a value over 4,096 bytes even when it is bound as a parameter. An encoded value has none of that, so every
string is found by equality with itself and with nothing else.
"""

from __future__ import annotations

import hashlib
import re

from services.errors import InvalidInput

MAX_TAG_BYTES = 16_384
MAX_ENCODED_CHARS = 1024
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_ESCAPED = [chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in range(256)]
_EMPTY = "_"
_DIGEST_MARK = "__"
_ENCODED_BYTE = re.compile(r"_([0-9a-f]{2})|([A-Za-z0-9])")
# Controls, lone surrogates, zero-width and direction marks, tag characters: invisible twins of another value.
# Joiners (U+200C, U+200D) and variation selectors stay: emoji and several scripts are written with them.
_REFUSED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def encode_tag(value: str) -> str:
    """The form in which a tag value is stored and asked for.

    ASCII letters and digits stay, any other byte of the UTF-8 form becomes ``_xx``, the empty string ``_``. What would
    be longer than 1,024 characters is replaced by ``__`` and its SHA-256.
    """
    encoded = "".join([_ESCAPED[byte] for byte in value.encode("utf-8")])
    if len(encoded) > MAX_ENCODED_CHARS:
        return _DIGEST_MARK + hashlib.sha256(encoded.encode("ascii")).hexdigest()
    return encoded or _EMPTY


def decode_tag(encoded: str) -> str:
    """The value that ``encode_tag`` was given.

    Raises:
        ValueError: a digest, which cannot be turned back, or no encoded tag at all.
    """
    if encoded == _EMPTY:
        return ""
    data = bytearray()
    position = 0
    while position < len(encoded):
        found = _ENCODED_BYTE.match(encoded, position)
        if found is None:
            raise ValueError(f"{encoded[:80]!r} is not a tag value that can be decoded")
        data += bytes([int(found[1], 16)]) if found[1] else found[2].encode("ascii")
        position = found.end()
    return data.decode("utf-8")


def check_tag(value: str, pointer: str) -> str:
    """Returns ``value`` if it may be a tag.

    Raises:
        InvalidInput: longer than 16,384 bytes, or with invisible characters that make two values look alike.
    """
    refused = _REFUSED.search(value)
    if refused is not None:
        raise InvalidInput(
            f"a tag value holds the character U+{ord(refused[0]):04X}; control, direction and zero-width characters "
            "are not allowed in tags: remove it",
            pointer=pointer,
            code="bad-tag",
        )
    size = len(value.encode("utf-8"))
    if size > MAX_TAG_BYTES:
        raise InvalidInput(
            f"a tag value has {size:,} bytes; allowed are {MAX_TAG_BYTES:,}: shorten it, or keep long text out of tags",
            pointer=pointer,
            code="bad-tag",
        )
    return value
