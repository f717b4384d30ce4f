"""What a web process does before the first user comes, and what it remembers of queries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.index.adapter import RedisIndex
from tests.apiapp import Api, make_api
from tests.conftest import RedisPair
from tests.providers import KEY, provider_server, status
from web.app import state_of

GENEROUS_S = 60.0


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


def counts(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get("/readyz").get_json()["query_cache"]
    return found


def warm(api: Api) -> None:
    warmup = state_of(api.app).warmup
    warmup.start()
    warmup.wait(GENEROUS_S)


def test_the_first_query_finds_everything_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.collection()
    asked: list[object] = []
    nearest: Any = RedisIndex.nearest

    def watched(*given: Any, **more: Any) -> Any:
        asked.append(given)
        return nearest(*given, **more)

    monkeypatch.setattr(RedisIndex, "nearest", watched)
    warm(api)
    assert asked, "a search went to the index before anybody asked"
    assert counts(api)["misses"] == 1


def test_without_a_collection_and_without_an_index_it_becomes_ready_all_the_same(
    private_redis_pair: RedisPair, tmp_path: Path
) -> None:
    with make_api(private_redis_pair, tmp_path) as api:
        api.collection()
        private_redis_pair.index.kill()
        warm(api)
        assert api.client.get("/readyz").get_json()["checks"]["model"]["ok"]


def test_a_provider_that_is_away_keeps_nobody_from_becoming_ready(redis_pair: RedisPair, tmp_path: Path) -> None:
    with provider_server() as server:
        server.otherwise = status(500, {"error": {"message": "out of order"}})
        more = {"model": "openai:of-unknown-size", "openai_url": f"{server.root}/v1", "openai_key": KEY}
        with make_api(redis_pair, tmp_path, **more) as api:
            warm(api)
            answer = api.client.get("/readyz")
            assert (answer.status_code, answer.get_json()["checks"]["model"]["ok"]) == (200, True)
            assert server.asked == []


def test_a_query_that_comes_again_is_not_embedded_again(api: Api) -> None:
    api.collection()
    for _ in range(3):
        assert api.client.get("/api/v1/collections/docs/search?q=some+words").status_code == 200
    found = counts(api)
    assert (found["hits"], found["misses"], found["entries"], found["limit"]) == (2, 1, 1, 4096)
