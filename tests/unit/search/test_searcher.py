"""The search over the exact index and the one on Redis: ranking, paging, and honest answers when something is off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from services.collections.values import Collection
from services.embedding.builtin import HASH_SPEC
from services.embedding.hash_embedder import HashEmbedder
from services.errors import Conflict, IndexRebuilding, InvalidInput
from services.ids import hash_document_id, rebuild_key
from services.index.adapter import RedisIndex
from services.index.oracle import NumpyIndex
from services.index.protocol import VectorIndex
from services.index.values import IndexInfo, Neighbour, Rebuilding
from services.redis_clients import Client
from services.search import gather as gather_module
from services.search.embedder import BatchedQueryEmbedder, DirectQueryVectors
from services.search.gather import Effort, gather
from services.search.service import Searcher, SearchRequest
from tests.index_samples import directions, make_chunks, make_collection, make_head

MODEL = HashEmbedder()
COLLECTION = make_collection(dim=HASH_SPEC.dim, fingerprint=HASH_SPEC.fingerprint)
EFFORT = Effort(ef_runtime=200, timeout_ms=10_000)


@pytest.fixture(params=["numpy", "redis"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    chosen: VectorIndex
    chosen = NumpyIndex() if request.param == "numpy" else RedisIndex(request.getfixturevalue("index_client"))
    chosen.create(COLLECTION)
    return chosen


def searcher(index: VectorIndex) -> Searcher:
    embedder = BatchedQueryEmbedder(MODEL, DirectQueryVectors(MODEL))
    return Searcher(index=index, embedder_for=lambda collection: embedder)


def add(index: VectorIndex, id: str, texts: list[str], generation: int = 1, **metadata: object) -> None:
    chunks = [
        replace(chunk, text=text) for chunk, text in zip(make_chunks(MODEL.embed_documents(texts)), texts, strict=True)
    ]
    index.write(COLLECTION, make_head(id, generation, metadata=metadata), chunks)


def test_documents_are_ranked_by_their_best_passage(index: VectorIndex) -> None:
    add(index, "zip", ["compress files into an archive", "the history of phones"], kind="module", free=[1])
    add(index, "gzip", ["compress and shrink a file before sending it", "shrink a file", "read a file"])
    add(index, "clock", ["measure the time of day"])
    answer = searcher(index).search(COLLECTION, SearchRequest(" shrink a file\u200b "))
    assert sorted(hit.id for hit in answer.hits) == ["clock", "gzip", "zip"]
    best = answer.hits[0]
    assert best.id == "gzip"
    assert (best.passage.text, best.passage.ordinal, best.passage.start, best.passage.end) == (
        "shrink a file",
        1,
        100,
        150,
    )
    assert best.score == pytest.approx(1.0, abs=1e-4)
    assert best.passages == 3
    assert (best.title, best.url, best.source) == ("Title of gzip", "https://example.org/x", "folder/file.txt")
    assert (best.collection, best.generation) == ("sample", 1)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert all(0.0 <= hit.score <= 1.0 for hit in answer.hits)
    assert next(hit for hit in answer.hits if hit.id == "zip").metadata == {"kind": "module", "free": [1]}
    assert (answer.complete, answer.searchable, answer.has_more) == (True, 3, False)
    assert (answer.query_tokens, answer.query_truncated) == (3, False)
    assert answer.took_ms >= answer.embed_ms + answer.index_ms > 0


def test_an_empty_collection_has_an_empty_complete_answer(index: VectorIndex) -> None:
    answer = searcher(index).search(COLLECTION, SearchRequest("anything"))
    assert (answer.hits, answer.complete, answer.searchable, answer.has_more) == ((), True, 0, False)


def test_filters_narrow_the_search(index: VectorIndex) -> None:
    for year in range(2000, 2010):
        add(index, f"d{year}", [f"yearbook {year}"], year=year)
    wanted = {"and": [{"field": "year", "gte": 2003}, {"not": {"field": "year", "gte": 2006}}]}
    answer = searcher(index).search(COLLECTION, SearchRequest("yearbook", filter=wanted))
    assert sorted(hit.id for hit in answer.hits) == ["d2003", "d2004", "d2005"]
    assert answer.searchable == 10
    with pytest.raises(InvalidInput) as caught:
        searcher(index).search(COLLECTION, SearchRequest("yearbook", filter={"and": [{"field": "nope", "eq": 1}]}))
    assert caught.value.pointer == "/filter/and/0/field"


def test_a_query_beyond_the_models_limit_is_told_so(index: VectorIndex) -> None:
    words = HASH_SPEC.max_tokens
    exact = searcher(index).search(COLLECTION, SearchRequest("word " * words))
    assert (exact.query_tokens, exact.query_truncated) == (words, False)
    cut = Searcher(
        index, lambda c: BatchedQueryEmbedder(MODEL, DirectQueryVectors(MODEL)), max_query_chars=10_000
    ).search(COLLECTION, SearchRequest("word " * (words + 1)))
    assert (cut.query_tokens, cut.query_truncated) == (words + 1, True)


def test_another_model_is_refused_before_anything_is_asked(index: VectorIndex) -> None:
    asked: list[str] = []

    class Counting(DirectQueryVectors):
        def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:
            asked.append(text)
            return super().embed(text, timeout_s)

    other = replace(COLLECTION, fingerprint="f" * 32)
    with pytest.raises(Conflict) as caught:
        Searcher(index, lambda c: BatchedQueryEmbedder(MODEL, Counting(MODEL))).search(other, SearchRequest("words"))
    assert caught.value.code == "model-mismatch"
    assert asked == []


def mark(index: VectorIndex, value: Rebuilding) -> None:
    if isinstance(index, NumpyIndex):
        index.mark_rebuilding(COLLECTION, value)
    elif isinstance(index, RedisIndex):
        index._client.set(rebuild_key(COLLECTION.id), f"{value.searchable}/{value.expected}")


class Scanning(NumpyIndex):
    """The exact index as it is while an engine reads its chunks after a restart."""

    scanning = True

    def info(self, collection: Collection) -> IndexInfo:
        return replace(super().info(collection), indexing=self.scanning)


def test_while_the_engine_reads_its_chunks_no_answer_counts_as_complete() -> None:
    index = Scanning()
    index.create(COLLECTION)
    embedder = BatchedQueryEmbedder(MODEL, DirectQueryVectors(MODEL))
    search = Searcher(index=index, embedder_for=lambda collection: embedder)
    with pytest.raises(IndexRebuilding, match="just started"):
        search.search(COLLECTION, SearchRequest("shrink"))
    add(index, "gzip", ["shrink a file"])
    assert not search.search(COLLECTION, SearchRequest("shrink")).complete
    index.scanning = False
    assert search.search(COLLECTION, SearchRequest("shrink")).complete
    index.scanning = True
    assert not search.search(COLLECTION, SearchRequest("shrink")).complete, "nothing is remembered"


def test_an_index_that_is_being_rebuilt_never_answers_with_nothing(index: VectorIndex) -> None:
    mark(index, Rebuilding(1, 40))
    with pytest.raises(IndexRebuilding, match="1 of 40"):
        searcher(index).search(COLLECTION, SearchRequest("words"))
    add(index, "a", ["words"])
    answer = searcher(index).search(COLLECTION, SearchRequest("words"))
    assert [hit.id for hit in answer.hits] == ["a"]
    assert not answer.complete
    index.drop(COLLECTION)
    with pytest.raises(IndexRebuilding):
        searcher(index).search(COLLECTION, SearchRequest("words"))


def all_pages(index: VectorIndex, limit: int, query: str = "words") -> list[str]:
    found: list[str] = []
    for offset in range(0, 1000, limit):
        answer = searcher(index).search(COLLECTION, SearchRequest(query, limit=limit, offset=offset))
        found += [hit.id for hit in answer.hits]
        if not answer.has_more:
            return found
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", [1, 7, 30, 31, 100])
def test_pages_have_no_gap_and_no_repeat(index: VectorIndex, limit: int) -> None:
    for number in range(31):
        add(index, f"d{number}", [f"words of {number} {part}" for part in range(1 + number % 5)])
    pages = all_pages(index, limit)
    assert sorted(pages) == sorted(f"d{number}" for number in range(31))
    assert pages == all_pages(index, 100)


def test_equal_distances_do_not_confuse_pages(index: VectorIndex) -> None:
    for number in range(150):
        add(index, f"d{number}", ["the same words"])
    assert sorted(all_pages(index, 10)) == sorted(f"d{number}" for number in range(150))


@pytest.mark.parametrize(("limit", "more"), [(9, True), (10, False), (11, False)])
def test_has_more_is_exact(index: VectorIndex, limit: int, more: bool) -> None:
    for number in range(10):
        add(index, f"d{number}", [f"words {number}", f"more words {number}"])
    answer = searcher(index).search(COLLECTION, SearchRequest("words", limit=limit))
    assert (len(answer.hits), answer.has_more) == (min(limit, 10), more)


def crowd(index: VectorIndex) -> NDArray[np.float32]:
    """Two documents with many chunks near the query, and ten with one chunk each behind all of those."""
    axis = directions(1, dim=HASH_SPEC.dim)[0]
    for name in ("crowd1", "crowd2"):
        near = axis + 0.02 * directions(400, dim=HASH_SPEC.dim, seed=len(name))
        index.write(COLLECTION, make_head(name, 1), make_chunks(near))
    for number in range(10):
        far = axis + (1.0 + number) * directions(1, dim=HASH_SPEC.dim, seed=50 + number)[0]
        index.write(COLLECTION, make_head(f"far{number}", 1), make_chunks([far]))
    return axis


@pytest.mark.parametrize("most", [10_000, 128])
def test_one_large_document_does_not_push_the_others_out(
    index: VectorIndex, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    axis = crowd(index)
    monkeypatch.setattr(gather_module, "MAX_NEIGHBOURS", most)
    page = gather(index, COLLECTION, axis, offset=0, limit=5, filter=None, effort=EFFORT)
    assert [found.head.id[:5] for found in page.found[:2]] == ["crowd", "crowd"]
    assert len({found.head.id for found in page.found}) == 5
    assert page.has_more
    assert page.settled
    rest = gather(index, COLLECTION, axis, offset=5, limit=100, filter=None, effort=EFFORT)
    assert len(rest.found) == 7
    assert not rest.has_more
    assert not {found.head.id for found in rest.found} & {found.head.id for found in page.found}


class Replacing(NumpyIndex):
    """Replaces documents between the two steps of a search: what a concurrent worker does."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.generation = 1

    def nearest(self, collection: Collection, vector: NDArray[np.float32], **arguments: object) -> list[Neighbour]:  # type: ignore[override]
        near = super().nearest(collection, vector, **arguments)  # type: ignore[arg-type]
        if self.times:
            self.times -= 1
            self.generation += 1
            add(self, "moving", ["words " * self.generation], self.generation)
        return near


@pytest.fixture
def replacing(request: pytest.FixtureRequest) -> Replacing:
    index = Replacing(request.param)
    index.create(COLLECTION)
    add(index, "moving", ["words"])
    add(index, "still", ["other words"])
    return index


@pytest.mark.parametrize("replacing", [1, 5, 40], indirect=True)
def test_a_document_replaced_during_the_search_is_in_the_answer(replacing: Replacing) -> None:
    answer = searcher(replacing).search(COLLECTION, SearchRequest("words"))
    assert sorted(hit.id for hit in answer.hits) == ["moving", "still"]
    assert next(hit for hit in answer.hits if hit.id == "moving").generation == replacing.generation
    assert (answer.complete, answer.has_more) == (True, False)


@pytest.mark.parametrize("replacing", [10_000], indirect=True)
def test_a_document_that_never_holds_still_makes_the_answer_incomplete(replacing: Replacing) -> None:
    answer = searcher(replacing).search(COLLECTION, SearchRequest("words"))
    assert [hit.id for hit in answer.hits] == ["still"]
    assert not answer.complete


def test_left_over_chunks_do_not_make_the_search_ask_for_ever(index_client: Client) -> None:
    asked = 0

    class Counting(RedisIndex):
        def nearest(self, *given: object, **arguments: object) -> list[Neighbour]:  # type: ignore[override]
            nonlocal asked
            asked += 1
            return super().nearest(*given, **arguments)  # type: ignore[arg-type]

    index = Counting(index_client)
    index.create(COLLECTION)
    add(index, "a", ["words", "more words"])
    old = {key: index_client.hgetall(key) for key in index_client.scan_iter("nf:c:*")}
    far = MODEL.embed_documents([f"nothing of the kind {number}" for number in range(80)])
    index.write(COLLECTION, make_head("a", 2), make_chunks(far))
    for number in range(80):
        add(index, f"d{number}", [f"words {number}"])
    for key, fields in old.items():
        index_client.hset(key, mapping=fields)
    answer = searcher(index).search(COLLECTION, SearchRequest("words", limit=3))
    assert len(answer.hits) == 3
    assert hash_document_id("a") not in {hash_document_id(hit.id) for hit in answer.hits}
    assert answer.complete
    assert asked <= 3
