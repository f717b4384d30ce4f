"""Collections whose model runs at a provider: added, searched, and what becomes of them while it fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.embedding.providers import calls
from services.ingest.pipeline.drain import IngestPipeline
from tests.apiapp import Api, make_api, problem
from tests.conftest import RedisPair
from tests.providers import DIM, KEY, ProviderServer, answer_for, good, provider_server, saying, status

MODEL = "openai:test-embed"
PRICE = 0.5
DOCUMENTS = [{"id": "tea", "text": "tea with milk"}, {"id": "cake", "text": "apple cake with cinnamon"}]


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    with provider_server() as running:
        yield running


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path, provider: ProviderServer) -> Iterator[Api]:
    settings = {"openai_url": f"{provider.root}/v1", "openai_key": KEY, "provider_models": f"{MODEL}={DIM}/512/{PRICE}"}
    with make_api(redis_pair, tmp_path, **settings) as made:
        made.collection(model=MODEL)
        yield made


def found(api: Api, query: str, name: str = "docs") -> list[str]:
    answer = api.call("POST", f"/collections/{name}/search", {"query": query})
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.get_json()["hits"]]


def usage(api: Api, name: str) -> Any:
    models = api.call("GET", "/models").get_json()["items"]
    return next(model["usage"] for model in models if model["name"] == name)


def document(api: Api, name: str) -> Any:
    return api.call("GET", f"/collections/docs/documents/{name}").get_json()


def drain_once(api: Api) -> None:
    IngestPipeline(api.services).drain(api.services.collections.get("docs").id, budget_s=1.0)


def test_documents_are_embedded_and_found(api: Api, provider: ProviderServer) -> None:
    api.add("docs", DOCUMENTS)
    api.drain()
    assert found(api, "a cup of tea")[0] == "tea"
    assert provider.asked[-1].body["input"] == ["a cup of tea"]
    tokens = sum(answer_for(each)["usage"]["total_tokens"] for each in provider.asked)
    assert tokens
    assert usage(api, MODEL) == {
        "requests": len(provider.asked),
        "texts": sum(len(each.body["input"]) for each in provider.asked),
        "tokens": tokens,
        "cost": pytest.approx(tokens * PRICE / 1e6),
    }
    assert usage(api, "hash") is None


def test_while_the_provider_is_down_searches_say_so_and_documents_wait(
    api: Api, provider: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)
    api.collection("other")
    api.add("other", DOCUMENTS)
    api.drain("other")
    provider.otherwise = status(500, {"error": {"message": "out of order"}})
    api.add("docs", DOCUMENTS)
    drain_once(api)
    assert (document(api, "tea")["state"], document(api, "tea")["attempts"]) == ("pending", 0)

    refused = api.call("POST", "/collections/docs/search", {"query": "tea"})
    assert "out of order" in problem(refused, 503, "provider-unavailable")["detail"]
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(provider.asked) == calls.MAX_ATTEMPTS, "the search asked a provider that was known to be down"
    assert found(api, "a cup of tea", "other")[0] == "tea"

    provider.otherwise = good
    time.sleep(calls.HOLD_S + 0.1)
    api.drain()
    assert found(api, "a cup of tea")[0] == "tea"


def test_a_wrong_vector_is_never_written(api: Api, provider: ProviderServer) -> None:
    provider.otherwise = saying(lambda asked: answer_for(asked, [[0.5] * 3] * len(asked.body["input"])))
    api.add("docs", DOCUMENTS)
    api.drain()
    assert document(api, "tea")["state"] == "failed"
    assert "3 numbers" in document(api, "tea")["error"]["message"]
    assert api.services.index.info(api.services.collections.get("docs")).chunks == 0


def test_one_refused_text_fails_alone(api: Api, provider: ProviderServer) -> None:
    def refuse_cake(handler: Any, asked: Any) -> None:
        if any("cake" in text for text in asked.body["input"]):
            status(400, {"error": {"message": "no cake"}})(handler, asked)
        else:
            saying(answer_for)(handler, asked)

    provider.otherwise = refuse_cake
    api.add("docs", DOCUMENTS)
    api.drain()
    assert document(api, "tea")["state"] == "ready"
    assert document(api, "cake")["state"] == "failed"
    assert "no cake" in document(api, "cake")["error"]["message"]
