"""JSON as this product reads it from files: no NaN, no doubled names, bounded nesting, nothing UTF-8 cannot carry."""

from __future__ import annotations

import json
from typing import Any

from services.errors import MalformedJson

MAX_DEPTH = 32
_MAX_NUMBER_CHARS = 400


def parse_json_bytes(body: bytes) -> Any:
    """``parse_json`` of UTF-8 bytes with or without a byte order mark."""
    return parse_json(decode_json(body))


def decode_json(body: bytes) -> str:
    """The text of JSON bytes. RFC 8259 asks for UTF-8; UTF-16 and UTF-32 are known by their mark.

    Raises:
        MalformedJson: another encoding.
    """
    try:
        return body.decode(json.detect_encoding(body)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"the JSON is not UTF-8 (byte {error.start}); save it as UTF-8 and send it again") from None


def parse_json(text: str) -> Any:
    """The value of ``text``.

    Raises:
        MalformedJson: what is wrong, and where.
    """
    try:
        value, end = _DECODER.raw_decode(text, skip_blanks(text, 0))
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _malformed(error) from None
    if skip_blanks(text, end) != len(text):
        raise MalformedJson(f"the JSON goes on after its end (character {end}); one value is expected")
    _check_depth(value)
    return value


def skip_blanks(text: str, position: int) -> int:
    """The first position from ``position`` on that is none of JSON's four blanks."""
    while position < len(text) and text[position] in " \t\n\r":
        position += 1
    return position


def _check_depth(value: Any) -> None:
    """Refuses nesting beyond 32 levels.

    Raises:
        MalformedJson: too deep.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> MalformedJson:
    return MalformedJson(f"the JSON is nested deeper than {MAX_DEPTH} levels; flatten it")


def _malformed(error: ValueError) -> MalformedJson:
    where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return MalformedJson(f"this is not valid JSON: {reason}{where}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write null or leave the member out")


def _finite(digits: str) -> float:
    value = float(digits) if len(digits) <= _MAX_NUMBER_CHARS else float("inf")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits[:30]} is out of range")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_CHARS:
        raise ValueError(f"the number {digits[:30]}... has {len(digits)} digits")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {doubled[:60]!r} comes twice in one object")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
)
