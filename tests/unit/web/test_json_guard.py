"""What the JSON guard refuses, where it says the fault is, and what it lets through unchanged."""

from __future__ import annotations

import contextlib
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import MalformedJson, TooLarge
from web.json_guard import MAX_DEPTH, escape_pointer, parse_json

LIMIT = 10_000_000

REFUSED = [
    ("open brace", b"{", "malformed-json", ""),
    ("empty", b"", "malformed-json", ""),
    ("blank", b" \n\t ", "malformed-json", ""),
    ("two values", b"1 2", "malformed-json", ""),
    ("single quotes", b"{'a': 1}", "malformed-json", ""),
    ("trailing comma", b"[1,]", "malformed-json", ""),
    ("raw newline in a string", b'"a\nb"', "malformed-json", ""),
    ("NaN", b'{"a": NaN}', "bad-number", ""),
    ("Infinity", b"[Infinity]", "bad-number", ""),
    ("-Infinity", b"[-Infinity]", "bad-number", ""),
    ("1e999", b'{"a": 1e999}', "bad-number", ""),
    ("5,000 digits", b"1" * 5000, "bad-number", ""),
    ("20 digits", b"[" + b"9" * 21 + b"]", "bad-number", ""),
    ("1,000 arrays", b"[" * 1000 + b"]" * 1000, "too-deep", ""),
    ("100,000 arrays, never closed", b"[" * 100_000, "too-deep", ""),
    ("100,000 objects", b'{"a":' * 100_000, "too-deep", ""),
    ("duplicate key", b'{"q": "a", "q": "b"}', "duplicate-key", "/q"),
    ("duplicate key inside", b'{"a": [0, {"x/y": 1, "x/y": 1}]}', "duplicate-key", "/a/1/x~1y"),
    ("duplicate key written in two ways", b'{"a": 1, "\\u0061": 2}', "duplicate-key", "/a"),
    ("lone surrogate", b'{"a": ["\\ud800"]}', "lone-surrogate", "/a/0"),
    ("lone low surrogate", b'"\\udfff"', "lone-surrogate", ""),
    ("surrogate in a key", b'{"\\ud800": 1}', "lone-surrogate", ""),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "malformed-json", ""),
    ("bad UTF-8", b'{"a": "\xff"}', "malformed-json", ""),
    ("raw surrogate bytes", b'"\xed\xa0\x80"', "malformed-json", ""),
]


@pytest.mark.parametrize(("body", "code", "pointer"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_with_a_code_and_a_place(body: bytes, code: str, pointer: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        parse_json(body, limit_bytes=LIMIT)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert len(caught.value.message) < 400


def test_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="at most 10 are read"):
        parse_json(b"[" * 11, limit_bytes=10)


def test_depth_is_counted_outside_strings_only() -> None:
    assert parse_json(json.dumps(["[{" * 100 + '"\\"']).encode(), limit_bytes=LIMIT) == ["[{" * 100 + '"\\"']
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    parse_json(deep, limit_bytes=LIMIT)
    parse_json(b"[" + b"[]," * 1000 + b"[]]", limit_bytes=LIMIT)
    with pytest.raises(MalformedJson):
        parse_json(b"[" + deep + b"]", limit_bytes=LIMIT)


def test_the_depth_scan_is_linear_on_an_open_string_of_escapes() -> None:
    """Megabytes of a string that never ends: a scan that backtracks would need hours, not a moment."""
    body = b"[" * 40 + b'"' + b'\\"' * 2_000_000
    with pytest.raises(MalformedJson):
        parse_json(body, limit_bytes=LIMIT)


def test_small_bodies_with_many_brackets_cost_little_memory() -> None:
    body = b"[" * 5_000_000
    tracemalloc.start()
    with pytest.raises(MalformedJson):
        parse_json(body, limit_bytes=LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(body)


def test_what_is_let_through() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": -0, "b": 1e-400, "c": "\\ud83d\\ude00"}', limit_bytes=LIMIT) == {
        "a": 0,
        "b": 0.0,
        "c": "\U0001f600",
    }
    assert parse_json(b"-9223372036854775808", limit_bytes=LIMIT) == -(2**63)


def test_pointers_are_escaped_and_short() -> None:
    assert escape_pointer("a/b~c") == "a~1b~0c"
    assert len(escape_pointer("x" * 1000)) == 80


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON_VALUES)
@settings(max_examples=100, deadline=None)
def test_whatever_json_can_say_comes_back_as_it_was(value: object) -> None:
    for ascii_only in (True, False):
        body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")
        assert parse_json(body, limit_bytes=LIMIT) == value


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        parse_json(body, limit_bytes=LIMIT)
