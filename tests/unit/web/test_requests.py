"""Request models, query strings, filters in links and idempotency keys: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import EnvironBuilder

from services.collections.values import Algorithm, Chunking, Collection, FieldSpec, FieldType, VectorType
from services.errors import InvalidInput, MalformedJson, NearfieldError, TooLarge, UnsupportedMedia
from web.body import read_bytes, read_json, require_type
from web.errors import RequestInvalid
from web.filter_params import filter_from_args
from web.idempotency import RequestKey, request_key
from web.schemas import CollectionIn, DocumentIn, ListQuery, NoQuery, SearchIn, SearchQuery
from web.validate import validate, validate_all, validate_args

BAD_SEARCHES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing-member", "/query"),
    ({"query": 5}, "wrong-type", "/query"),
    ({"query": None}, "wrong-type", "/query"),
    ({"query": ["a"]}, "wrong-type", "/query"),
    ({"query": "a", "limit": "10"}, "wrong-type", "/limit"),
    ({"query": "a", "limit": True}, "wrong-type", "/limit"),
    ({"query": "a", "limit": 1.5}, "wrong-type", "/limit"),
    ({"query": "a", "limit": 0}, "out-of-range", "/limit"),
    ({"query": "a", "limit": -1}, "out-of-range", "/limit"),
    ({"query": "a", "limit": 101}, "out-of-range", "/limit"),
    ({"query": "a", "limit": 10**18}, "out-of-range", "/limit"),
    ({"query": "a", "offset": -1}, "out-of-range", "/offset"),
    ({"query": "a", "filter": "x"}, "wrong-type", "/filter"),
    ({"query": "a", "filter": []}, "wrong-type", "/filter"),
    ({"query": "a", "mode": "hybrid"}, "not-allowed", "/mode"),
    ({"query": "a", "is_admin": True}, "unknown-member", "/is_admin"),
    ({"query": "a", "__proto__": {}}, "unknown-member", "/__proto__"),
    ({"query": "a", "tenant": "x"}, "unknown-member", "/tenant"),
    ({"query": "a", "a/b~c": 1}, "unknown-member", "/a~1b~0c"),
]


@pytest.mark.parametrize(("value", "code", "pointer"), BAD_SEARCHES)
def test_wrong_members_are_named(value: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        validate(SearchIn, value)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


@pytest.mark.parametrize("value", [None, [], 5, "x", True, 1.5])
def test_a_body_that_is_no_object_is_malformed(value: object) -> None:
    with pytest.raises(MalformedJson) as caught:
        validate(SearchIn, value)
    assert (caught.value.code, caught.value.pointer) == ("not-an-object", "")
    assert "query" in caught.value.message


@pytest.mark.parametrize(
    ("value", "code", "pointer"),
    [
        ({"name": "a", "chunking": {"strategy": "x"}}, "not-allowed", "/chunking/strategy"),
        ({"name": "a", "chunking": {"size": 5}}, "unknown-member", "/chunking/size"),
        ({"name": "a", "chunking": 5}, "wrong-type", "/chunking"),
        ({"name": "a", "fields": {"year": "int"}}, "not-allowed", "/fields/year"),
        ({"name": "a", "fields": ["year"]}, "wrong-type", "/fields"),
        ({"name": "a", "algorithm": "ivf"}, "not-allowed", "/algorithm"),
        ({"name": "a", "model": "m" * 501}, "out-of-range", "/model"),
        ({"name": "a", "vector_type": 16}, "not-allowed", "/vector_type"),
    ],
)
def test_members_of_members_are_named(value: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        validate(CollectionIn, value)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_an_unknown_member_message_lists_those_of_its_own_object() -> None:
    with pytest.raises(RequestInvalid) as caught:
        validate(CollectionIn, {"name": "a", "chunking": {"size": 5}})
    assert "size_tokens" in caught.value.message
    assert "vector_type" not in caught.value.message


def test_all_problems_are_listed_with_the_number_of_the_item() -> None:
    with pytest.raises(RequestInvalid) as caught:
        validate_all(DocumentIn, [{"text": "a"}, {"text": 5, "x": 1}, {}])
    assert [problem.pointer for problem in caught.value.problems] == ["/1/text", "/1/x", "/2/text"]
    with pytest.raises(RequestInvalid) as caught:
        validate_all(DocumentIn, [{}] * 1000)
    assert len(caught.value.problems) == 20


def test_huge_values_are_not_echoed() -> None:
    with pytest.raises(RequestInvalid) as caught:
        validate(SearchIn, {"query": "a", "mode": "x" * 1_000_000, "y" * 1_000_000: 1})
    assert all(len(problem.detail) < 500 and len(problem.pointer) < 100 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("query_string", "code", "pointer"),
    [
        ("", "missing-member", "/q"),
        ("q=a&limit=x", "wrong-type", "/limit"),
        ("q=a&limit=1.5", "wrong-type", "/limit"),
        ("q=a&limit=", "wrong-type", "/limit"),
        ("q=a&limit=0", "out-of-range", "/limit"),
        ("q=a&limit=1000000000000000000", "out-of-range", "/limit"),
        ("q=a&offset=1001", "out-of-range", "/offset"),
        ("q=a&q=b", "repeated-parameter", "/q"),
        ("q=a&k=5", "unknown-member", "/k"),
        ("q=a&mode=lexical", "not-allowed", "/mode"),
    ],
)
def test_wrong_parameters_are_named(query_string: str, code: str, pointer: str) -> None:
    args = flask.Request(EnvironBuilder(query_string=query_string).get_environ()).args
    with pytest.raises(RequestInvalid) as caught:
        validate_args(SearchQuery, args)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_ten_thousand_parameters_are_one_short_message() -> None:
    args = MultiDict([(f"p{number}", "x") for number in range(10_000)])
    with pytest.raises(RequestInvalid) as caught:
        validate_args(NoQuery, args)
    assert len(caught.value.problems) == 20
    assert validate_args(ListQuery, MultiDict([("limit", "7")])).limit == 7


COLLECTION = Collection(
    id="c",
    name="docs",
    description="",
    model="hash",
    fingerprint="f",
    dim=64,
    vector_type=VectorType.FLOAT32,
    algorithm=Algorithm.FLAT,
    chunking=Chunking(),
    fields=(
        FieldSpec("kind", FieldType.TAG),
        FieldSpec("year", FieldType.NUMBER),
        FieldSpec("draft", FieldType.BOOLEAN),
        FieldSpec("day", FieldType.DATE),
    ),
    language="en",
    created_at_ms=0,
)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], None),
        ([("f.kind", "")], None),
        ([("filter", "")], None),
        ([("f.kind", "a b|c")], {"field": "kind", "eq": "a b|c"}),
        ([("f.kind", "5")], {"field": "kind", "eq": "5"}),
        ([("f.kind", "a"), ("f.kind", "b")], {"field": "kind", "in": ["a", "b"]}),
        ([("f.year", "2020")], {"field": "year", "eq": 2020}),
        ([("f.year.eq", "-1.5e2")], {"field": "year", "eq": -150.0}),
        ([("f.year.gte", "2000"), ("f.year.lt", "2010")], {"field": "year", "gte": 2000, "lt": 2010}),
        ([("f.draft", "true")], {"field": "draft", "eq": True}),
        ([("f.draft", "FALSE")], {"field": "draft", "eq": False}),
        ([("f.day.gte", "2026-11-01")], {"field": "day", "gte": "2026-11-01"}),
        (
            [("filter", '{"field": "year", "gt": 5}'), ("f.kind", "a"), ("f.draft", "true")],
            {
                "and": [
                    {"field": "year", "gt": 5},
                    {"field": "kind", "eq": "a"},
                    {"field": "draft", "eq": True},
                ]
            },
        ),
    ],
)
def test_filters_in_links(pairs: list[tuple[str, str]], expected: object) -> None:
    assert filter_from_args(MultiDict(pairs), COLLECTION) == expected


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("f.size", "1", "/f.size/field"),
        ("f.", "1", "/f./field"),
        ("f.year", "many", "/f.year/eq"),
        ("f.year", "nan", "/f.year/eq"),
        ("f.year", "1e999", "/f.year/eq"),
        ("f.year", "1_000", "/f.year/eq"),
        ("f.year", "٣", "/f.year/eq"),
        ("f.year", "9" * 500, "/f.year/eq"),
        ("f.year.between", "1", "/f.year.between"),
        ("f.kind.gt", "a", "/f.kind.gt/gt"),
        ("f.draft", "1", "/f.draft/eq"),
        ("f.day", "yesterday", "/f.day/eq"),
        ("filter", '{"field": "size", "eq": 1}', "/filter/field"),
        ("filter", '{"and": [{"field": "year", "eq": "x"}]}', "/filter/and/0/eq"),
        ("filter", "[]", "/filter"),
    ],
)
def test_bad_filters_in_links_point_at_their_parameter(name: str, value: str, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        filter_from_args(MultiDict([(name, value)]), COLLECTION)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("value", ["{", "NaN", '{"a": 1, "a": 2}', "[" * 100, '"\\ud800"'])
def test_a_filter_parameter_goes_through_the_json_guard(value: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        filter_from_args(MultiDict([("filter", value)]), COLLECTION)
    assert (caught.value.pointer or "").startswith("/filter")


def test_two_lower_bounds_are_refused() -> None:
    with pytest.raises(InvalidInput, match="send one bound"):
        filter_from_args(MultiDict([("f.year.gte", "1"), ("f.year.gte", "2")]), COLLECTION)


def request(body: bytes = b"", **more: Any) -> flask.Request:
    return flask.Request(EnvironBuilder(method="POST", data=body, **more).get_environ())


@pytest.mark.parametrize(
    ("content_type", "headers", "pointer"),
    [
        (None, {}, "/Content-Type"),
        ("text/plain", {}, "/Content-Type"),
        ("application/x-www-form-urlencoded", {}, "/Content-Type"),
        ("application/jsonx", {}, "/Content-Type"),
        ("application/json; charset=utf-7", {}, "/Content-Type"),
        ("application/json; charset=utf-16", {}, "/Content-Type"),
        ("application/json", {"Content-Encoding": "gzip"}, "/Content-Encoding"),
    ],
)
def test_other_content_types_are_refused(content_type: str | None, headers: dict[str, str], pointer: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        read_json(request(b"{}", content_type=content_type, headers=headers), limit_bytes=100)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_read(content_type: str) -> None:
    assert read_json(request(b'{"a": 1}', content_type=content_type), limit_bytes=100) == {"a": 1}
    assert require_type(request(content_type=content_type), ("application/json",)) == "application/json"


def test_a_body_over_the_limit_is_refused_with_and_without_a_declared_length() -> None:
    with pytest.raises(TooLarge):
        read_bytes(request(b"x" * 101), 100)
    undeclared = request(b"x" * 101, environ_overrides={"wsgi.input_terminated": True})
    del undeclared.environ["CONTENT_LENGTH"]
    with pytest.raises(TooLarge):
        read_bytes(undeclared, 100)
    assert read_bytes(request(b"x" * 100), 100) == b"x" * 100


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "ä", "a\tb"])
def test_bad_idempotency_keys_are_refused(key: str) -> None:
    with pytest.raises(NearfieldError) as caught:
        request_key(request(headers={"Idempotency-Key": key}), [])
    assert caught.value.pointer == "/Idempotency-Key"


def test_a_key_stands_for_method_path_type_and_content() -> None:
    def key(content: list[bytes], path: str = "/a", content_type: str = "application/json") -> RequestKey:
        return request_key(request(path=path, content_type=content_type, headers={"Idempotency-Key": "k"}), content)

    assert key([b"x"]) == key([b"x"])
    others = [key([b"y"]), key([b"x"], "/b"), key([b"x"], content_type="text/plain"), key([b"x", b""]), key([])]
    assert len({key([b"x"]).hash, *(other.hash for other in others)}) == 6
    assert request_key(request(), [b"x"]) == RequestKey("", "")
