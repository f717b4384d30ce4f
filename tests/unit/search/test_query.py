"""Requests that are refused, and what becomes of a query before it is embedded."""

from __future__ import annotations

import pytest

from services.errors import InvalidInput, TooLarge
from services.search.query import check_request, clean_query
from services.search.values import SearchRequest


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (SearchRequest("q", limit=0), "/limit"),
        (SearchRequest("q", limit=-1), "/limit"),
        (SearchRequest("q", limit=101), "/limit"),
        (SearchRequest("q", limit=10**18), "/limit"),
        (SearchRequest("q", limit=True), "/limit"),
        (SearchRequest("q", limit=1.5), "/limit"),  # type: ignore[arg-type]
        (SearchRequest("q", limit="10"), "/limit"),  # type: ignore[arg-type]
        (SearchRequest("q", offset=-1), "/offset"),
        (SearchRequest("q", offset=991), "/offset"),
        (SearchRequest("q", offset=10**18), "/offset"),
        (SearchRequest("q", mode="magic"), "/mode"),
    ],
)
def test_requests_out_of_range(request_: SearchRequest, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_request(request_)
    assert caught.value.pointer == pointer


def test_the_limits_themselves_are_allowed() -> None:
    check_request(SearchRequest("q", limit=1, offset=999))
    check_request(SearchRequest("q", limit=100, offset=900))


@pytest.mark.parametrize(
    "query", ["", " ", "\t\n", "\u200b\ufeff", "?!", "...", "-- || ()", "\u0301", "\x00", "«»", "＊", "$ + <"]
)
def test_a_query_without_a_word_is_refused(query: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_query(query, 4000)
    assert (caught.value.code, caught.value.pointer) == ("empty-query", "/query")


@pytest.mark.parametrize("query", [None, 5, ["a"], b"a", "a\ud800b"])
def test_what_is_no_text_is_refused(query: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean_query(query, 4000)
    assert (caught.value.code, caught.value.pointer) == ("bad-query", "/query")


def test_a_query_may_have_its_limit_and_no_more() -> None:
    assert len(clean_query("a" * 4000, 4000)) == 4000
    with pytest.raises(TooLarge) as caught:
        clean_query("a" * 10_000_000, 4000)
    assert (caught.value.code, caught.value.pointer) == ("query-too-long", "/query")


@pytest.mark.parametrize(
    ("query", "cleaned"),
    [
        ("  shrink a file ", "shrink a file"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("a\x00b\nc", "a b c"),
        ("gpj\u202eexe", "gpjexe"),
        ("Gro\u0308ße", "Größe"),
        ("🙂", "🙂"),
        ("中文", "中文"),
        ("c++", "c++"),
        ("<script>", "<script>"),
        ("@tenant:{x} | *", "@tenant:{x} | *"),
    ],
)
def test_cleaned_queries(query: str, cleaned: str) -> None:
    assert clean_query(query, 4000) == cleaned
