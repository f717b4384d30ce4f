from __future__ import annotations

from typing import Any

import pytest

from services.errors import InvalidInput, MalformedJson
from services.ingest.rows.row import Row, row_from_cells, row_from_object
from services.ingest.rows.strict_json import parse_json, parse_json_bytes


@pytest.mark.parametrize(
    ("value", "row"),
    [
        ({"_id": "4", "title": "T", "text": "x", "metadata": {}}, Row("4", "x", "T", "", {})),
        ({"id": 4, "body": "x", "link": "http://e", "year": 2020}, Row("4", "x", "", "http://e", {"year": 2020})),
        ({"Title": "T", "Abstract": "x", "k": None}, Row(None, "x", "T", "", {"k": None})),
        ({"text": "x", "body": "kept"}, Row(None, "x", "", "", {"body": "kept"})),
        ({"text": "x", "metadata": {"a": 1}, "b": 2}, Row(None, "x", "", "", {"b": 2, "a": 1})),
        ({"text": ["one", "two"]}, Row(None, "one\ntwo")),
        ({"text": 5}, Row(None, "5")),
        ("only text", Row(None, "only text")),
        (
            {"name": "A", "size": 3, "tags": ["x"]},
            Row(None, 'name: A\nsize: 3\ntags: ["x"]', "", "", {"name": "A", "size": 3, "tags": ["x"]}),
        ),
        ({"id": "", "text": "x"}, Row(None, "x")),
    ],
)
def test_members_are_recognised(value: Any, row: Row) -> None:
    assert row_from_object(value) == row


@pytest.mark.parametrize(
    "value", [5, None, [1], True, {"id": [1]}, {"id": True, "text": "x"}, {"text": {"a": 1}}, {"title": True}]
)
def test_what_is_no_row_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        row_from_object(value)
    assert caught.value.code == "bad-row"


def test_cells_without_a_text_column_are_joined() -> None:
    row = row_from_cells(["name", "born", "died"], ["Ada", "1815", " "])
    assert row == Row(None, "name: Ada\nborn: 1815", "", "", {"name": "Ada", "born": "1815"})
    assert row_from_cells(["id", "text"], ["7"]) == Row("7", "")
    with pytest.raises(InvalidInput, match="3 cells, the header names 2"):
        row_from_cells(["a", "b"], ["1", "2", "3"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": NaN}',
        "[Infinity]",
        "1e999",
        "1" * 5000,
        '{"a": 1, "a": 2}',
        "[1] 2",
        "[" * 33 + "]" * 33,
        "[" * 100_000,
        '{"a":' * 100_000,
        "'x'",
    ],
)
def test_what_is_not_strict_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedJson):
        parse_json(text)


def test_json_values_pass() -> None:
    assert parse_json(' {"a": [1, 2.5, null, true, "x"]} ') == {"a": [1, 2.5, None, True, "x"]}
    assert parse_json("[" * 32 + "]" * 32)
    assert parse_json_bytes('\ufeff["ä"]'.encode()) == ["ä"]
    assert parse_json_bytes('["ä"]'.encode("utf-16")) == ["ä"]
    with pytest.raises(MalformedJson, match="not UTF-8"):
        parse_json_bytes(b'["\xff"]')
