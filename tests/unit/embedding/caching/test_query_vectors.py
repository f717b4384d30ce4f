from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.embedding.caching.query_vectors import QueryVectorCache
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.microbatch import QueryBatcher, embedding_timeout
from services.errors import InvalidInput, NearfieldError, Unavailable
from services.search.embedder import BatchedQueryEmbedder

GENEROUS_S = 60.0
TOKENS = 256


def vector_of(fingerprint: str, text: str) -> NDArray[np.float32]:
    """As if a model of that fingerprint had embedded the text."""
    return HashEmbedder().embed_queries([f"{fingerprint} {text}"])[0]


def ask(cache: QueryVectorCache, fingerprint: str, text: str) -> NDArray[np.float32]:
    return cache.embed(fingerprint, text, TOKENS, lambda left_s: vector_of(fingerprint, text), GENEROUS_S)


@given(
    asked=st.lists(st.tuples(st.sampled_from(["m", "n"]), st.text("ab\ud83d", max_size=3)), max_size=60),
    entries=st.integers(0, 5),
    kilobytes=st.integers(0, 8),
)
def test_never_another_texts_vector_and_never_over_the_bounds(
    asked: list[tuple[str, str]], entries: int, kilobytes: int
) -> None:
    cache = QueryVectorCache(entries, kilobytes * 1024)
    asked = [(model, text.replace("\ud83d", "c")) for model, text in asked]
    for model, text in asked:
        assert np.array_equal(ask(cache, model, text), vector_of(model, text))
        counts = cache.counts()
        assert counts.entries <= entries
        assert counts.bytes <= kilobytes * 1024
        assert (counts.bytes == 0) == (counts.entries == 0)
    counts = cache.counts()
    assert counts.hits + counts.misses == len(asked)


def test_what_was_asked_last_stays() -> None:
    cache = QueryVectorCache(2)
    for text in ("a", "b", "a", "c", "a", "b"):
        ask(cache, "m", text)
    assert (cache.counts().hits, cache.counts().misses) == (2, 4), "a twice; b had gone for c"


def test_an_entry_does_not_keep_its_batch_alive_and_cannot_be_changed() -> None:
    batch = HashEmbedder().embed_queries(["a", "b", "c"])
    cache = QueryVectorCache(5)
    vector = cache.embed("m", "a", TOKENS, lambda left_s: batch[0], GENEROUS_S)
    assert vector.base is None
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 7.0


def test_texts_that_differ_far_beyond_the_models_reach_share_an_entry() -> None:
    cache = QueryVectorCache(5)
    long = "word " * 1000
    for end in ("x", "y"):
        cache.embed("m", long + end, 8, lambda left_s: vector_of("m", "cut"), GENEROUS_S)
    assert (cache.counts().hits, cache.counts().misses) == (1, 1)


class Slow:
    """Counts what is embedded, and lets it wait until the test says so."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: Counter[str] = Counter()
        self.error: NearfieldError | None = None
        self._lock = threading.Lock()

    def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:
        with self._lock:
            self.asked[text] += 1
        if not self.go.wait(timeout_s):
            raise embedding_timeout(timeout_s)
        if self.error is not None:
            raise self.error
        return vector_of("m", text)


def joined(cache: QueryVectorCache, count: int) -> None:
    """Returns when so many wait for somebody else's query."""
    while cache.counts().joined < count:
        threading.Event().wait(0.001)


@pytest.mark.parametrize("entries", [0, 100])
def test_the_same_query_of_twenty_at_once_is_embedded_once(entries: int) -> None:
    cache, slow = QueryVectorCache(entries), Slow()
    embedder = BatchedQueryEmbedder(HashEmbedder(), slow, remembered=cache)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(embedder.embed, "same", GENEROUS_S) for _ in range(20)]
        joined(cache, 19)
        slow.go.set()
        assert all(np.array_equal(answer.result(), vector_of("m", "same")) for answer in answers)
    assert slow.asked == {"same": 1}
    assert cache.counts().misses == 1
    assert cache.counts().entries == min(1, entries)


def test_a_failure_reaches_everybody_and_is_not_remembered() -> None:
    cache, slow = QueryVectorCache(9), Slow()
    slow.error = InvalidInput("no")
    embedder = BatchedQueryEmbedder(HashEmbedder(), slow, remembered=cache)
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(embedder.embed, "same", GENEROUS_S) for _ in range(5)]
        joined(cache, 4)
        slow.go.set()
        assert {type(answer.exception()) for answer in answers} == {InvalidInput}
    assert slow.asked == {"same": 1}
    slow.error = None
    assert np.array_equal(embedder.embed("same", GENEROUS_S), vector_of("m", "same"))


def test_who_joins_an_impatient_one_asks_again_when_that_one_gives_up() -> None:
    cache, slow = QueryVectorCache(9), Slow()
    embedder = BatchedQueryEmbedder(HashEmbedder(), slow, remembered=cache)
    with ThreadPoolExecutor(4) as pool:
        impatient = pool.submit(embedder.embed, "same", 0.2)
        while not slow.asked:
            threading.Event().wait(0.001)
        patient = [pool.submit(embedder.embed, "same", GENEROUS_S) for _ in range(3)]
        assert isinstance(impatient.exception(), Unavailable)
        while slow.asked["same"] < 2:
            threading.Event().wait(0.001)
        slow.go.set()
        assert all(np.array_equal(answer.result(), vector_of("m", "same")) for answer in patient)
    assert slow.asked["same"] == 2


def test_who_joins_waits_no_longer_than_agreed() -> None:
    cache, slow = QueryVectorCache(9), Slow()
    embedder = BatchedQueryEmbedder(HashEmbedder(), slow, remembered=cache)
    with ThreadPoolExecutor(1) as pool:
        leading = pool.submit(embedder.embed, "same", GENEROUS_S)
        while not slow.asked:
            threading.Event().wait(0.001)
        with pytest.raises(Unavailable) as late:
            embedder.embed("same", 0.01)
        assert late.value.code == "embedding-timeout"
        slow.go.set()
        leading.result()


def test_many_threads_over_a_real_batcher_get_their_own_vectors() -> None:
    model = HashEmbedder()
    batcher = QueryBatcher(model, wait_ms=0, queue_limit=1000)
    cache = QueryVectorCache(7)
    embedder = BatchedQueryEmbedder(model, batcher, remembered=cache)
    texts = [f"query {number * number % 23}" for number in range(400)]
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda text: embedder.embed(text, GENEROUS_S), texts))
    finally:
        batcher.close()
    for text, answer in zip(texts, answers, strict=True):
        assert np.array_equal(answer, model.embed_queries([text])[0])
    counts = cache.counts()
    assert counts.entries == 7
    assert counts.hits + counts.misses + counts.joined == len(texts)
