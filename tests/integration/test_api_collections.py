"""Collections over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ids import PREFIX
from tests.apiapp import V1, Api, make_api, problem
from tests.conftest import RedisPair


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


def test_a_collection_is_made_with_defaults(api: Api) -> None:
    answer = api.call("POST", "/collections", {"name": "docs"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{V1}/collections/docs"
    found = answer.get_json()
    assert found == api.call("GET", "/collections/docs").get_json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("created_at"))
    assert len(found.pop("id")) == 12
    assert found.pop("fingerprint")
    assert found.pop("documents")["total"] == 0
    assert found == {
        "name": "docs",
        "description": "",
        "model": "hash",
        "dimensions": 64,
        "algorithm": "hnsw",
        "vector_type": "float16",
        "chunking": {"strategy": "structure", "size_tokens": None, "overlap_tokens": 0},
        "fields": {},
        "language": "en",
        "near_duplicates": "keep",
        "searchable": 0,
        "chunks": 0,
        "waiting": 0,
        "rebuilding": None,
    }


def test_a_collection_is_made_as_asked(api: Api) -> None:
    asked = {
        "name": "docs",
        "description": "Größe",
        "model": "hash",
        "algorithm": "flat",
        "vector_type": "float32",
        "chunking": {"strategy": "none", "size_tokens": 64, "overlap_tokens": 8},
        "fields": {"kind": "tag", "year": "number", "day": "date", "draft": "boolean"},
        "language": "de",
        "near_duplicates": "replace",
    }
    found = api.collection(**asked)
    assert {name: found[name] for name in asked} == asked


def test_a_new_collection_is_searchable_at_once_and_empty(api: Api) -> None:
    api.collection()
    answer = api.call("GET", "/collections/docs/search?q=anything")
    assert answer.status_code == 200
    assert answer.get_json()["hits"] == []


def test_collections_are_listed_by_name(api: Api) -> None:
    assert api.call("GET", "/collections").get_json() == {"items": [], "next_cursor": None}
    for name in ("b", "a", "c"):
        api.collection(name)
    assert [item["name"] for item in api.call("GET", "/collections").get_json()["items"]] == ["a", "b", "c"]


def test_a_name_is_taken_once(api: Api) -> None:
    api.collection()
    found = problem(api.call("POST", "/collections", {"name": "docs"}), 409, "name-taken")
    assert found["pointer"] == "/name"


def test_a_repeated_create_with_its_key_finds_its_collection(api: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = api.call("POST", "/collections", {"name": "docs"}, headers=headers)
    second = api.call("POST", "/collections", {"name": "docs"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_json() == second.get_json()
    problem(api.call("POST", "/collections", {"name": "other"}, headers=headers), 409, "idempotency-key-reused")
    assert api.call("DELETE", "/collections/docs").status_code == 200
    again = api.call("POST", "/collections", {"name": "docs"}, headers=headers)
    assert again.status_code == 201
    assert again.get_json()["id"] != first.get_json()["id"]


def test_renaming_keeps_the_documents(api: Api) -> None:
    made = api.collection()
    api.add("docs", {"id": "a", "text": "words about tea"})
    answer = api.call("PATCH", "/collections/docs", {"name": "papers", "description": "new"})
    assert answer.status_code == 200
    found = answer.get_json()
    assert (found["id"], found["name"], found["description"]) == (made["id"], "papers", "new")
    problem(api.call("GET", "/collections/docs"), 404, "unknown-collection")
    problem(api.call("GET", "/collections/docs/search?q=tea"), 404, "unknown-collection")
    api.drain("papers")
    assert [hit["id"] for hit in api.call("GET", "/collections/papers/search?q=tea").get_json()["hits"]] == ["a"]


def test_renaming_to_a_taken_name_changes_nothing(api: Api) -> None:
    api.collection("a")
    api.collection("b")
    problem(api.call("PATCH", "/collections/a", {"name": "b", "description": "x"}), 409, "name-taken")
    assert api.call("GET", "/collections/a").get_json()["description"] == ""


def test_deleting_frees_the_name(api: Api) -> None:
    made = api.collection()
    api.add("docs", {"text": "x"})
    assert api.call("DELETE", "/collections/docs").get_json() == {"deleted": "docs", "id": made["id"]}
    problem(api.call("GET", "/collections/docs"), 404, "unknown-collection")
    problem(api.call("DELETE", "/collections/docs"), 404, "unknown-collection")
    problem(api.call("POST", "/collections/docs/documents", {"text": "x"}), 404, "unknown-collection")
    assert api.collection()["documents"]["total"] == 0


def test_an_unknown_collection_says_what_there_is_and_how_to_make_one(api: Api) -> None:
    api.collection("papers")
    found = problem(api.call("GET", "/collections/paper"), 404, "unknown-collection")
    assert found["pointer"] == "/name"
    assert "papers" in found["detail"]
    assert "POST /api/v1/collections" in found["detail"]


def test_an_export_can_be_posted_back(api: Api) -> None:
    api.collection("docs", fields={"year": "number"})
    documents = [
        {"id": "a", "text": "Tea.\nAnd more.", "title": "Täa", "url": "https://x.example/", "metadata": {"year": 1}},
        {
            "id": "b/c",
            "text": "# Head\n\nCoffee",
            "media_type": "text/markdown",
            "metadata": {"free": [1, {"a": None}]},
        },
    ]
    api.add("docs", documents)
    api.drain()
    answer = api.call("GET", "/collections/docs/export")
    assert answer.content_type == "application/x-ndjson"
    assert "docs.ndjson" in answer.headers["Content-Disposition"]
    lines = sorted((json.loads(line) for line in answer.data.splitlines()), key=lambda line: str(line["id"]))
    assert [line["id"] for line in lines] == ["a", "b/c"]
    assert [line["metadata"] for line in lines] == [document["metadata"] for document in documents]
    api.collection("copy", fields={"year": "number"})
    back = api.call(
        "POST", "/collections/copy/documents", answer.data, headers={"Content-Type": "application/x-ndjson"}
    )
    assert json.loads(back.data.splitlines()[-1])["accepted"] == 2
    api.drain("copy")
    copied = api.call("GET", "/collections/copy/export").data.splitlines()
    assert sorted(copied) == sorted(answer.data.splitlines())


def test_models_are_listed_with_the_default_first(api: Api) -> None:
    items = api.call("GET", "/models").get_json()["items"]
    assert [(item["name"], item["default"]) for item in items] == [
        ("hash", True),
        ("all-MiniLM-L6-v2", False),
        ("mfcc", False),
    ]
    assert (items[1]["dimensions"], items[1]["max_tokens"]) == (384, 256)


def test_a_store_that_is_away_is_a_503_with_a_time(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        api.collection()
        private_redis_pair.ledger.kill()
        for method, path in (("GET", "/collections"), ("GET", "/jobs"), ("GET", "/collections/docs")):
            answer = api.call(method, path)
            assert answer.status_code == 503, path
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.get_json()["retryable"] is True
        assert api.client.get("/livez").status_code == 200
        ready = api.client.get("/readyz")
        assert ready.status_code == 503
        assert ready.get_json()["checks"]["ledger"]["ok"] is False


def test_nothing_is_left_when_the_index_cannot_be_made(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        private_redis_pair.index.kill()
        answer = api.call("POST", "/collections", {"name": "docs"})
        assert answer.status_code == 503
        private_redis_pair.index.start()
        problem(api.call("GET", "/collections/docs"), 404, "unknown-collection")
        assert api.services.ledger_client.hlen(f"{PREFIX}:names") == 0
        api.collection()
