"""What filters are refused, with which pointer, and what the accepted ones become."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.collections.values import Algorithm
from services.errors import InvalidInput
from services.index.filters import AllOf, AnyOf, InRange, Not, TagIn, parse_filter
from services.index.render import NearestQuery, attribute, search_nearest
from tests.index_samples import make_collection

COLLECTION = make_collection()


def nested(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"field": "year", "eq": 1}
    for _ in range(levels - 1):
        made = {"not": made}
    return made


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ({"field": "kind", "eq": "a|b"}, TagIn("kind", ("a|b",))),
        ({"field": "kind", "in": ["b", "a", "b"]}, TagIn("kind", ("b", "a"))),
        ({"field": "draft", "eq": False}, TagIn("draft", ("f",))),
        ({"field": "year", "eq": 3}, InRange("year", 3.0, 3.0)),
        ({"field": "year", "gte": 3, "lte": 4.5}, InRange("year", 3.0, 4.5)),
        ({"field": "year", "gt": 3}, InRange("year", math.nextafter(3, 4), math.inf)),
        ({"field": "year", "lt": 3}, InRange("year", -math.inf, math.nextafter(3, 2))),
        ({"field": "year", "gt": 1, "gte": 2}, InRange("year", 2.0, math.inf)),
        ({"field": "year", "in": [1, 2]}, AnyOf((InRange("year", 1.0, 1.0), InRange("year", 2.0, 2.0)))),
        ({"field": "day", "eq": "1970-01-02T01:00:00+01:00"}, InRange("day", 86_400.0, 86_400.0)),
        ({"field": "day", "eq": "1970-01-02"}, InRange("day", 86_400.0, math.nextafter(172_800.0, 0))),
        ({"field": "day", "gt": "1970-01-02"}, InRange("day", 172_800.0, math.inf)),
        ({"field": "day", "lte": "1970-01-02"}, InRange("day", -math.inf, math.nextafter(172_800.0, 0))),
        ({"field": "day", "lt": "1970-01-02"}, InRange("day", -math.inf, math.nextafter(86_400.0, 0))),
        (
            {"and": [{"not": {"field": "draft", "eq": True}}, {"or": [{"field": "year", "eq": 1}]}]},
            AllOf((Not(TagIn("draft", ("t",))), AnyOf((InRange("year", 1.0, 1.0),)))),
        ),
    ],
)
def test_accepted_filters(raw: object, parsed: object) -> None:
    assert parse_filter(raw, COLLECTION) == parsed


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (None, "/filter", "bad-filter"),
        ([], "/filter", "bad-filter"),
        ("kind:a", "/filter", "bad-filter"),
        ({}, "/filter", "bad-filter"),
        ({"eq": 1}, "/filter", "bad-filter"),
        ({"field": "nope", "eq": 1}, "/filter/field", "unknown-field"),
        ({"field": ["kind"], "eq": 1}, "/filter/field", "unknown-field"),
        ({"field": "kind"}, "/filter", "bad-filter"),
        ({"field": "kind", "gt": "a"}, "/filter/gt", "unknown-operator"),
        ({"field": "draft", "in": [True]}, "/filter/in", "unknown-operator"),
        ({"field": "kind", "like/x~": "a"}, "/filter/like~1x~0", "unknown-operator"),
        ({"field": "kind", "eq": "a", "in": ["b"]}, "/filter", "bad-filter"),
        ({"field": "year", "eq": 1, "gt": 0}, "/filter", "bad-filter"),
        ({"field": "kind", "eq": ""}, "/filter/eq", "bad-filter"),
        ({"field": "kind", "eq": None}, "/filter/eq", "bad-filter"),
        ({"field": "kind", "eq": 5}, "/filter/eq", "bad-filter"),
        ({"field": "kind", "eq": "a\x00b"}, "/filter/eq", "bad-tag"),
        ({"field": "kind", "eq": "gpj\u202eexe"}, "/filter/eq", "bad-tag"),
        ({"field": "kind", "eq": "a\u200bb"}, "/filter/eq", "bad-tag"),
        ({"field": "kind", "eq": "\ud800"}, "/filter/eq", "bad-tag"),
        ({"field": "kind", "eq": "x" * 20_000}, "/filter/eq", "bad-tag"),
        ({"field": "kind", "in": []}, "/filter/in", "bad-filter"),
        ({"field": "kind", "in": "abc"}, "/filter/in", "bad-filter"),
        ({"field": "kind", "in": ["a", 1]}, "/filter/in/1", "bad-filter"),
        ({"field": "draft", "eq": "true"}, "/filter/eq", "bad-filter"),
        ({"field": "draft", "eq": 1}, "/filter/eq", "bad-filter"),
        ({"field": "year", "eq": True}, "/filter/eq", "bad-number"),
        ({"field": "year", "eq": "5"}, "/filter/eq", "bad-number"),
        ({"field": "year", "eq": "(5"}, "/filter/eq", "bad-number"),
        ({"field": "year", "gt": math.nan}, "/filter/gt", "bad-number"),
        ({"field": "year", "gt": math.inf}, "/filter/gt", "bad-number"),
        ({"field": "year", "gt": 2**53 + 1}, "/filter/gt", "bad-number"),
        ({"field": "year", "gt": 10**5000}, "/filter/gt", "bad-number"),
        ({"field": "year", "in": [1, "x"]}, "/filter/in/1", "bad-number"),
        ({"field": "year", "gt": 5, "lt": 5}, "/filter", "bad-filter"),
        ({"field": "year", "gte": 6, "lte": 5}, "/filter", "bad-filter"),
        ({"field": "day", "gte": "2026-13-01"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "2026-11-20T10:00:00"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "2016-12-31T23:59:60Z"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "0000-01-01"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "10000-01-01"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "20261120"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": "２０２６-11-20"}, "/filter/gte", "bad-date"),
        ({"field": "day", "gte": 1_700_000_000}, "/filter/gte", "bad-date"),
        ({"and": []}, "/filter/and", "bad-filter"),
        ({"or": {"field": "kind", "eq": "a"}}, "/filter/or", "bad-filter"),
        ({"not": [{"field": "kind", "eq": "a"}]}, "/filter/not", "bad-filter"),
        ({"and": [{"field": "kind", "eq": "a"}], "field": "kind"}, "/filter", "bad-filter"),
        ({"and": [{"field": "year", "eq": 1}, {"or": [{"field": "x"}]}]}, "/filter/and/1/or/0/field", "unknown-field"),
        (nested(6), "/filter/not/not/not/not/not", "bad-filter"),
        ({"or": [{"field": "year", "eq": n} for n in range(65)]}, "/filter/or/64", "bad-filter"),
        ({"field": "kind", "in": [str(n) for n in range(257)]}, "/filter/in", "bad-filter"),
    ],
)  # fmt: skip
def test_refused_filters(raw: object, pointer: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(raw, COLLECTION)
    assert (caught.value.pointer, caught.value.code) == (pointer, code)


def test_limits_can_be_reached() -> None:
    parse_filter(nested(5), COLLECTION)
    parse_filter({"or": [{"field": "year", "eq": n} for n in range(64)]}, COLLECTION)
    parse_filter({"field": "kind", "in": [str(n) for n in range(256)]}, COLLECTION)


def test_cyclic_filters_end() -> None:
    cyclic: dict[str, Any] = {}
    cyclic["not"] = cyclic
    with pytest.raises(InvalidInput, match="deeper"):
        parse_filter(cyclic, COLLECTION)


def test_a_collection_without_fields_says_so() -> None:
    with pytest.raises(InvalidInput, match="declares none"):
        parse_filter({"field": "kind", "eq": "a"}, make_collection(fields=()))


def test_values_stand_in_parameters_and_never_in_the_query() -> None:
    marked = {"and": [{"field": "kind", "in": ["zz1", "zz2"]}, {"not": {"field": "year", "gte": 7777}}]}
    query = NearestQuery(b"zzvector", 10, 200, 500, parse_filter(marked, COLLECTION), ("zzdoc",))
    command = search_nearest(make_collection(algorithm=Algorithm.HNSW), query)
    text = str(command[2])
    assert "zz" not in text
    assert "7777" not in text
    assert "10" not in text.replace("p10", "")
    parameters = command[command.index("PARAMS") + 2 : command.index("DIALECT")]
    assert len(parameters) == command[command.index("PARAMS") + 1]
    assert {"zz1", "zz2", "zzdoc", b"zzvector", "7777.0", "+inf", 10, 200} == set(parameters[1::2])
    assert command[command.index("LIMIT") : command.index("LIMIT") + 3] == ["LIMIT", 0, 10]
    assert {"SORTBY", "TIMEOUT"} <= set(command)
    assert "HIGHLIGHT" not in command


@pytest.mark.parametrize("name", ["", "a b", "a:b", "@x", "x)", "ä", "a" * 65, "a\n"])
def test_no_field_name_can_become_query_text(name: str) -> None:
    with pytest.raises(ValueError, match="must not stand in a query"):
        attribute(name)
