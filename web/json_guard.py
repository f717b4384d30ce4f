"""Reading JSON from strangers: what the standard parser lets through is refused here, always with a 400 and a place.

The parser of the standard library accepts NaN, turns 1e999 into infinity, keeps the last of two equal keys, dies of
deep nesting and passes lone surrogates on until some later encode fails. None of that gets past ``parse_json``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from services.errors import MalformedJson, TooLarge

MAX_DEPTH = 32
MAX_INT_DIGITS = 19  # 2**63 has 19 digits; nothing here needs more, and huge integers are slow to parse
_BOM = b"\xef\xbb\xbf"
# A string is one token, so brackets inside strings do not count. Possessive repeats keep this linear on any input, an
# unterminated string included.
_TOKENS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


class _Duplicate:
    """Stands in for an object that names a member twice until its place in the document is known."""

    def __init__(self, key: str) -> None:
        self.key = key


def parse_json(body: bytes, *, limit_bytes: int, pointer: str = "") -> Any:
    """The value a JSON text stands for.

    Args:
        body: UTF-8, with or without a byte order mark.
        limit_bytes: longest body that is parsed.
        pointer: where this text stands in a larger request ("" for the whole body).

    Raises:
        TooLarge: longer than the limit.
        MalformedJson: not JSON, not UTF-8, deeper than 32, a number out of range, NaN or Infinity, a member named
            twice, half of a surrogate pair.
    """
    if len(body) > limit_bytes:
        raise TooLarge(
            f"the JSON has {len(body):,} bytes; at most {limit_bytes:,} are read here. Send less at a time",
            pointer=pointer,
        )
    body = body.removeprefix(_BOM)
    text = _decode(body, pointer)
    if not text or text.isspace():
        raise MalformedJson("the body is empty; send a JSON document", pointer=pointer)
    _check_depth(body, pointer)
    duplicates: list[_Duplicate] = []
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant(pointer),
            parse_float=_finite(pointer),
            parse_int=_short_int(pointer),
            object_pairs_hook=_no_duplicates(duplicates),
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"this is not JSON: {error.msg} at line {error.lineno}, column {error.colno}; correct it and send it again",
            pointer=pointer,
        ) from None
    if duplicates:
        place, key = _place_of(value, duplicates[0], pointer)
        raise MalformedJson(
            f"the object at {place or 'the top'} names the member {key[:80]!r} twice; keep one of them",
            pointer=f"{place}/{escape_pointer(key)}",
            code="duplicate-key",
        )
    if _SURROGATE_ESCAPE.search(body):
        _refuse_surrogates(value, pointer)
    return value


def escape_pointer(part: str) -> str:
    """One reference token of a JSON pointer (RFC 6901), of bounded length."""
    return part[:80].replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode("utf-8")


def _decode(body: bytes, pointer: str) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(
            f"the body is not UTF-8 (byte {error.start:,}); JSON is sent as UTF-8", pointer=pointer
        ) from None


def _check_depth(body: bytes, pointer: str) -> None:
    """Counts brackets before parsing: the parser's recursion would end in a crash of the request."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _TOKENS.finditer(body):
        first = body[match.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedJson(
                    f"the JSON is nested deeper than {MAX_DEPTH} levels; flatten it", pointer=pointer, code="too-deep"
                )
        elif first in b"]}":
            depth -= 1


def _refuse_constant(pointer: str) -> Callable[[str], Any]:
    def refuse(name: str) -> Any:
        raise MalformedJson(f"{name} is not JSON; send a finite number or null", pointer=pointer, code="bad-number")

    return refuse


def _finite(pointer: str) -> Callable[[str], float]:
    def parse(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise MalformedJson(
                f"the number {digits[:40]} is out of range; numbers lie within about 1.8e308",
                pointer=pointer,
                code="bad-number",
            )
        return value

    return parse


def _short_int(pointer: str) -> Callable[[str], int]:
    def parse(digits: str) -> int:
        if len(digits) > MAX_INT_DIGITS + 1:
            raise MalformedJson(
                f"an integer of {len(digits):,} digits; at most {MAX_INT_DIGITS} are read. Send it as a string",
                pointer=pointer,
                code="bad-number",
            )
        return int(digits)

    return parse


def _no_duplicates(found: list[_Duplicate]) -> Callable[[list[tuple[str, Any]]], Any]:
    def build(pairs: list[tuple[str, Any]]) -> Any:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                break
            seen.add(key)
        mark = _Duplicate(key)
        found.append(mark)
        return mark

    return build


def _place_of(value: Any, wanted: _Duplicate, pointer: str) -> tuple[str, str]:
    """Where the marked object stands. An object inside another marked one is reported at that one."""
    stack: list[tuple[Any, str]] = [(value, pointer)]
    while stack:
        item, place = stack.pop()
        if isinstance(item, _Duplicate):
            return place, item.key
        if isinstance(item, dict):
            stack.extend((member, f"{place}/{escape_pointer(key)}") for key, member in item.items())
        elif isinstance(item, list):
            stack.extend((member, f"{place}/{number}") for number, member in enumerate(item))
    return pointer, wanted.key


def _refuse_surrogates(value: Any, pointer: str) -> None:
    stack: list[tuple[Any, str]] = [(value, pointer)]
    while stack:
        item, place = stack.pop()
        if isinstance(item, str):
            _refuse_surrogate(item, place)
        elif isinstance(item, dict):
            for key, member in item.items():
                _refuse_surrogate(key, place)
                stack.append((member, f"{place}/{escape_pointer(key)}"))
        elif isinstance(item, list):
            stack.extend((member, f"{place}/{number}") for number, member in enumerate(item))


def _refuse_surrogate(text: str, place: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedJson(
            f"the text at {place or 'the top'} holds half of a surrogate pair (\\ud800 to \\udfff alone); "
            "send whole characters",
            pointer=place,
            code="lone-surrogate",
        ) from None
