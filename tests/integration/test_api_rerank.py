"""Searches whose hits a reranker puts into its own order, over HTTP, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from tests.unit.embedding.rerank.models import build_cross_encoder

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

WORDS = ["tea", "leaf", "bean", "water", "milk", "cup", "pot", "spoon", "sugar", "lemon", "honey", "mint"]
SEARCH = "/collections/docs/search"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_cross_encoder(tmp_path_factory.mktemp("cross"))


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path, folder: Path) -> Iterator[Api]:
    data = tmp_path / "data"
    (data / "models").mkdir(parents=True)
    offered = f"{folder},gone"
    with make_api(redis_pair, data, rerankers=offered, rerank_timeout_ms=60_000) as made:
        made.collection("docs")
        made.add("docs", [{"id": word, "text": f"the {word} and the {word[::-1]}"} for word in WORDS])
        made.drain()
        yield made


def hits(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["hits"]
    return found


def test_hits_come_in_the_rerankers_order_with_both_scores(api: Api, folder: Path) -> None:
    from sentence_transformers import CrossEncoder

    plain = hits(api.call("POST", SEARCH, {"query": "the tea", "limit": 12}))
    answer = api.call("POST", SEARCH, {"query": "the tea", "limit": 12, "rerank": folder.name})
    found = hits(answer)
    expected = CrossEncoder(str(folder), device="cpu").predict([("the tea", hit["passage"]["text"]) for hit in plain])
    order = [plain[position]["id"] for position in np.argsort(-expected, kind="stable")]
    assert [hit["id"] for hit in found] == order
    assert order != [hit["id"] for hit in plain]
    np.testing.assert_allclose([hit["rerank_score"] for hit in found], np.sort(expected)[::-1], rtol=1e-4)
    assert {hit["id"]: hit["score"] for hit in found} == {hit["id"]: hit["score"] for hit in plain}
    assert "rerank_score" not in plain[0]
    assert answer.get_json()["rerank"] == folder.name
    assert "rerank;dur=" in answer.headers["Server-Timing"]


def test_pages_are_cut_from_the_reranked_hits_and_end_with_them(api: Api, folder: Path) -> None:
    link = f"{SEARCH}?q=the+tea&rerank={folder.name}&rerank_depth=8"
    whole = hits(api.call("GET", f"{link}&limit=8"))
    assert {hit["id"] for hit in whole} == {hit["id"] for hit in hits(api.call("GET", f"{SEARCH}?q=the+tea&limit=8"))}
    pieces = [api.call("GET", f"{link}&limit=3&offset={offset}") for offset in (0, 3)]
    assert [hit["id"] for piece in pieces for hit in hits(piece)] == [hit["id"] for hit in whole[:6]]
    assert [piece.get_json()["has_more"] for piece in pieces] == [True, True]
    assert api.call("GET", f"{link}&limit=2&offset=6").get_json()["has_more"] is False


def test_what_cannot_be_reranked_is_refused_with_the_numbers(api: Api, folder: Path) -> None:
    ask = {"query": "tea", "rerank": folder.name}
    found = problem(api.call("POST", SEARCH, ask | {"limit": 10, "offset": 45}), 422, "beyond-rerank-depth")
    assert "reach 55" in found["detail"]
    assert "first 50" in found["detail"]
    found = problem(api.call("POST", SEARCH, {"query": "tea", "rerank": "other"}), 422, "unknown-reranker")
    assert f"offered are {folder.name}, gone" in found["detail"]
    assert found["pointer"] == "/rerank"
    assert api.call("POST", SEARCH, ask | {"rerank_depth": 201}).status_code == 422
    problem(api.call("POST", SEARCH, {"query": "tea", "rerank": "gone"}), 409, "model-missing")
    # no depth without a reranker
    assert hits(api.call("POST", SEARCH, {"query": "tea", "limit": 12, "rerank_depth": 1}))


def test_a_reranker_that_takes_too_long_is_503(redis_pair: RedisPair, tmp_path: Path, folder: Path) -> None:
    with make_api(redis_pair, tmp_path, rerankers=str(folder), rerank_timeout_ms=100) as made:
        made.collection("docs")
        made.add("docs", [{"id": "a", "text": "tea"}])
        made.drain()
        owned = made.services.rerankers
        original = owned._load

        def slow(name: str) -> Any:
            waits.wait(30)
            return original(name)

        waits = threading.Event()
        owned._load = slow  # type: ignore[method-assign]
        found = problem(made.call("POST", SEARCH, {"query": "tea", "rerank": folder.name}), 503, "rerank-timeout")
        assert found["retryable"]
        waits.set()


def test_the_list_says_what_each_reranker_is_and_what_is_wrong_with_it(api: Api, folder: Path) -> None:
    items = api.call("GET", "/rerankers").get_json()["items"]
    assert [(item["name"], item["family"]) for item in items] == [(folder.name, "cross-encoder"), ("gone", "")]
    assert len(items[0]["fingerprint"]) == 32
    assert not items[0]["problem"]
    assert "no model folder" in items[1]["problem"]


def test_none_is_offered_unless_the_operator_does(redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs")
        assert made.call("GET", "/rerankers").get_json()["items"] == []
        found = problem(made.call("POST", SEARCH, {"query": "tea", "rerank": "mine"}), 422, "unknown-reranker")
        assert "NEARFIELD_RERANKERS" in found["detail"]
