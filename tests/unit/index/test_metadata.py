"""Metadata: what is indexed of it, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.errors import InvalidInput, TooLarge
from services.index.metadata import metadata_json, validate_metadata
from services.index.render import indexed_fields
from services.index.tags import decode_tag, encode_tag
from tests.index_samples import make_collection

COLLECTION = make_collection()


def test_declared_fields_become_comparable_values() -> None:
    given = {
        "kind": ["a", "b", "a"],
        "tenant": "x y",
        "year": 2001,
        "day": "1970-01-01T00:00:01.5Z",
        "draft": True,
        "undeclared": {"deep": [1, None, "x"]},
    }
    values = validate_metadata(given, COLLECTION)
    assert values == {"kind": ("a", "b"), "tenant": ("x y",), "year": 2001.0, "day": 1.5, "draft": ("t",)}
    assert indexed_fields(values) == {
        "f_kind": "a,b",
        "f_tenant": "x_20y",
        "f_year": "2001.0",
        "f_day": "1.5",
        "f_draft": "t",
    }


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_field_may_have_no_value(nothing: object) -> None:
    assert validate_metadata({field.name: nothing for field in COLLECTION.fields}, COLLECTION) == {}


@pytest.mark.parametrize(
    ("metadata", "pointer", "code"),
    [
        ({"year": "1999"}, "/metadata/year", "bad-number"),
        ({"year": True}, "/metadata/year", "bad-number"),
        ({"year": [1]}, "/metadata/year", "bad-number"),
        ({"year": 2**60}, "/metadata/year", "bad-number"),
        ({"kind": 5}, "/metadata/kind", "wrong-type"),
        ({"kind": ["a", ""]}, "/metadata/kind", "wrong-type"),
        ({"kind": {"a": 1}}, "/metadata/kind", "wrong-type"),
        ({"kind": ["a"] * 65}, "/metadata/kind", "wrong-type"),
        ({"kind": "a\x07"}, "/metadata/kind", "bad-tag"),
        ({"draft": "yes"}, "/metadata/draft", "wrong-type"),
        ({"draft": 1}, "/metadata/draft", "wrong-type"),
        ({"day": "yesterday"}, "/metadata/day", "bad-date"),
        ({"x": math.nan}, "/metadata", "bad-metadata"),
        ({"x": [math.inf]}, "/metadata", "bad-metadata"),
        ({"x": "\ud800"}, "/metadata", "bad-metadata"),
        ({"\ud800": 1}, "/metadata", "bad-metadata"),
        ({"a\nb": 1}, "/metadata", "bad-metadata"),
        ({"": 1}, "/metadata", "bad-metadata"),
        ({"n" * 129: 1}, "/metadata", "bad-metadata"),
        ({1: 1}, "/metadata", "bad-metadata"),
        ({"x": {1, 2}}, "/metadata", "bad-metadata"),
        (["x"], "/metadata", "bad-metadata"),
        ({"x": "y" * 70_000}, "/metadata", "metadata-too-large"),
    ],
)
def test_refused_metadata(metadata: Any, pointer: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_metadata(metadata, COLLECTION)
    assert (caught.value.pointer, caught.value.code) == (pointer, code)
    assert len(caught.value.message) < 500


def test_too_much_metadata_is_told_apart() -> None:
    with pytest.raises(TooLarge):
        metadata_json({"x": "y" * 70_000})


@pytest.mark.parametrize(
    ("value", "encoded"),
    [("abcXYZ019", "abcXYZ019"), ("", "_"), ("_", "_5f"), ("a,b", "a_2cb"), (" é", "_20_c3_a9"), ("\\|", "_5c_7c")],
)
def test_encoded_tags(value: str, encoded: str) -> None:
    assert encode_tag(value) == encoded
    assert decode_tag(encoded) == value


@pytest.mark.parametrize("encoded", ["__", "_2", "_XX", "a-b", "_ff", "é"])
def test_what_is_no_encoded_tag(encoded: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeDecodeError is one, with a text of its own
        decode_tag(encoded)
