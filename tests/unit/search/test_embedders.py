from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedding.hash_embedder import HashEmbedder
from services.embedding.protocol import Runtime
from services.search.embedders import QueryEmbedders

GENEROUS_S = 60.0


class Remote(HashEmbedder):
    """A model elsewhere that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime = Runtime("http")
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.entered.release()
        assert self.go.wait(GENEROUS_S)
        return super().embed_queries(texts)


class Unmeasurable(HashEmbedder):
    """Chokes on what it is measured with."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) > 1:
            raise ZeroDivisionError
        return super().embed_queries(texts)


@dataclass
class Shelf:
    """Models by name, which a test may exchange."""

    models: dict[str, HashEmbedder] = field(default_factory=dict)

    def load(self, name: str) -> HashEmbedder:
        return self.models[name]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf({"fast": HashEmbedder(), "slow": Remote()})
    yield shelf
    for model in shelf.models.values():
        if isinstance(model, Remote):
            model.go.set()


def embedders(shelf: Any, remember: int = 100) -> QueryEmbedders:
    return QueryEmbedders(shelf, wait_ms=0, queue_limit=100, remember=remember)


def test_a_slow_model_holds_up_nobody_elses_queries(shelf: Shelf) -> None:
    owners, slow = embedders(shelf), shelf.models["slow"]
    assert isinstance(slow, Remote)
    with ThreadPoolExecutor(3) as pool:
        waiting = []
        for number in range(3):
            waiting.append(pool.submit(owners.named("slow").embed, f"slow {number}", GENEROUS_S))
            assert slow.entered.acquire(timeout=GENEROUS_S), "and its own calls do not wait for each other"
        expected = HashEmbedder().embed_queries(["quick"])[0]
        assert np.array_equal(owners.named("fast").embed("quick", GENEROUS_S), expected)
        slow.go.set()
        assert len([each.result(GENEROUS_S) for each in waiting]) == 3


def test_a_model_has_one_batcher_and_what_it_embedded_is_remembered(shelf: Shelf) -> None:
    owners = embedders(shelf)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: owners.named("fast"), range(32)))
    assert len({id(each) for each in found}) == 1
    for _ in range(3):
        found[0].embed("again", GENEROUS_S)
    assert (owners.counts().hits, owners.counts().misses, owners.counts().limit) == (2, 1, 100)


def test_a_model_that_was_exchanged_answers_from_then_on(shelf: Shelf) -> None:
    owners = embedders(shelf)
    before = owners.named("fast")
    shelf.models["fast"] = HashEmbedder()
    after = owners.named("fast")
    assert after is not before
    assert after is owners.named("fast")
    assert after.embed("words", GENEROUS_S).shape == (after.spec.dim,)


def test_a_model_that_cannot_be_measured_still_answers(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.models["odd"] = Unmeasurable()
    vector = embedders(shelf).named("odd").embed("words", GENEROUS_S)
    assert np.array_equal(vector, HashEmbedder().embed_queries(["words"])[0])
    assert "could not be measured" in caplog.text
