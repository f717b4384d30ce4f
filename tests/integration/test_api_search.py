"""Searching over HTTP: both forms, filters, what an answer says, and waiting for the model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from web import state as state_module
from web.app import state_of
from web.warmup import Warmup

DOCUMENTS = [
    {"id": "tea", "text": "green tea from leaves", "title": "Tea", "metadata": {"kind": "leaf", "year": 2001}},
    {"id": "coffee", "text": "black coffee from beans", "metadata": {"kind": "bean", "year": 2005, "hot": True}},
    {"id": "water", "text": "clear water from wells", "metadata": {"kind": "a|b {c}", "day": "2026-11-20"}},
]


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs", fields={"kind": "tag", "year": "number", "hot": "boolean", "day": "date"})
        made.add("docs", DOCUMENTS)
        made.drain()
        yield made


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.get_json()["hits"]]


def without_times(answer: Any) -> dict[str, Any]:
    found = answer.get_json()
    return {name: value for name, value in found.items() if not name.endswith("_ms")}


def test_the_nearest_document_comes_first_with_its_passage(api: Api) -> None:
    answer = api.call("GET", "/collections/docs/search?q=green+tea&limit=2")
    found = answer.get_json()
    assert found["hits"][0] | {"score": 0, "generation": 0} == {
        "id": "tea",
        "collection": "docs",
        "title": "Tea",
        "url": "",
        "source": "",
        "score": 0,
        "passages": 1,
        "generation": 0,
        "metadata": {"kind": "leaf", "year": 2001},
        "passage": {"text": "green tea from leaves", "start": 0, "end": 21, "heading": "", "page": None, "ordinal": 0},
    }
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert found | {"hits": 0, "took_ms": 0, "embed_ms": 0, "index_ms": 0} == {
        "collection": "docs",
        "query": "green tea",
        "mode": "semantic",
        "limit": 2,
        "offset": 0,
        "hits": 0,
        "has_more": True,
        "complete": True,
        "searchable": 3,
        "query_tokens": 2,
        "query_truncated": False,
        "took_ms": 0,
        "embed_ms": 0,
        "index_ms": 0,
    }
    assert "embed;dur=" in answer.headers["Server-Timing"]
    assert "index;dur=" in answer.headers["Server-Timing"]


@pytest.mark.parametrize(
    ("link", "condition", "expected"),
    [
        ("f.kind=leaf", {"field": "kind", "eq": "leaf"}, {"tea"}),
        ("f.kind=leaf&f.kind=bean", {"field": "kind", "in": ["leaf", "bean"]}, {"tea", "coffee"}),
        ("f.kind=a%7Cb+%7Bc%7D", {"field": "kind", "eq": "a|b {c}"}, {"water"}),
        ("f.kind=a", {"field": "kind", "eq": "a"}, set()),
        ("f.kind=*", {"field": "kind", "eq": "*"}, set()),
        ("f.year.gt=2001", {"field": "year", "gt": 2001}, {"coffee"}),
        ("f.year.gte=2001&f.year.lt=2005", {"field": "year", "gte": 2001, "lt": 2005}, {"tea"}),
        ("f.hot=true", {"field": "hot", "eq": True}, {"coffee"}),
        ("f.day=2026-11-20", {"field": "day", "eq": "2026-11-20"}, {"water"}),
        ("", {"not": {"field": "kind", "eq": "leaf"}}, {"coffee", "water"}),
        ("", {"or": [{"field": "hot", "eq": True}, {"field": "kind", "eq": "leaf"}]}, {"tea", "coffee"}),
        ("f.kind=leaf&f.hot=true", {"and": [{"field": "kind", "eq": "leaf"}, {"field": "hot", "eq": True}]}, set()),
    ],
)
def test_filters_mean_the_same_in_links_and_bodies(
    api: Api, link: str, condition: dict[str, Any], expected: set[str]
) -> None:
    body = {"query": "drink", "filter": condition}
    posted = api.call("POST", "/collections/docs/search", body)
    assert set(ids(posted)) == expected
    as_json = api.call("GET", "/collections/docs/search", query_string={"q": "drink", "filter": json.dumps(condition)})
    assert without_times(as_json) == without_times(posted)
    if link:
        assert without_times(api.call("GET", f"/collections/docs/search?q=drink&{link}")) == without_times(posted)


def test_pages_of_hits_have_no_gap_and_no_repeat(api: Api) -> None:
    whole = ids(api.call("GET", "/collections/docs/search?q=from"))
    pieces = [ids(api.call("GET", f"/collections/docs/search?q=from&limit=1&offset={n}")) for n in range(4)]
    assert [name for piece in pieces for name in piece] == whole
    assert pieces[3] == []


def test_a_query_that_the_model_cuts_is_told_so(api: Api) -> None:
    found = api.call("POST", "/collections/docs/search", {"query": "tea " * 500}).get_json()
    assert found["query_truncated"] is True
    assert found["query_tokens"] == 500


def test_an_unknown_field_names_those_there_are(api: Api) -> None:
    body = {"query": "x", "filter": {"and": [{"field": "size", "eq": 1}]}}
    found = problem(api.call("POST", "/collections/docs/search", body), 422, "unknown-field")
    assert found["pointer"] == "/filter/and/0/field"
    assert "'year'" in found["detail"]


def test_a_search_needs_no_ledger_within_a_second(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        api.collection()
        api.add("docs", {"id": "a", "text": "tea"})
        api.drain()
        assert ids(api.call("GET", "/collections/docs/search?q=tea")) == ["a"]
        state = state_of(api.app)
        private_redis_pair.ledger.kill()
        state._seen["docs"] = (float("inf"), state._seen["docs"][1])
        assert ids(api.call("GET", "/collections/docs/search?q=tea")) == ["a"]
        private_redis_pair.index.kill()
        answer = api.call("GET", "/collections/docs/search?q=tea")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0


def test_a_search_waits_for_the_model_and_then_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(api.app)
    loaded = threading.Event()
    state.warmup = Warmup(lambda: loaded.wait(60), "hash")
    state.warmup.start()
    monkeypatch.setattr(state_module, "MODEL_WAIT_S", 0.05)
    answer = api.call("GET", "/collections/docs/search?q=tea")
    problem(answer, 503, "model-loading")
    assert int(answer.headers["Retry-After"]) > 0
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (503, "starting")
    assert api.call("GET", "/collections").status_code == 200
    monkeypatch.setattr(state_module, "MODEL_WAIT_S", 60.0)
    timer = threading.Timer(0.1, loaded.set)
    timer.start()
    assert len(ids(api.call("GET", "/collections/docs/search?q=tea"))) == 3
    timer.join()
    assert (api.client.get("/readyz").status_code, state.warmup.detail) == (200, "")


def test_a_lost_index_is_a_503_and_not_an_empty_answer(api: Api) -> None:
    api.services.index_client.flushall()
    answer = api.call("GET", "/collections/docs/search?q=tea")
    problem(answer, 503, "index-rebuilding")
