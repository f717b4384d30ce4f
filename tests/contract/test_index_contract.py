"""One set of tests for all that calls itself a vector index: the real one on Redis and the exact one in numpy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.collections.values import Algorithm, VectorType
from services.errors import IndexRebuilding, InvalidInput
from services.ids import hash_document_id
from services.index.adapter import RedisIndex
from services.index.filters import parse_filter
from services.index.oracle import NumpyIndex
from services.index.protocol import VectorIndex
from services.index.values import Neighbour, Outcome
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection()
QUERY = directions(1, seed=99)[0]


@pytest.fixture(params=["numpy", "redis"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    chosen: VectorIndex
    chosen = NumpyIndex() if request.param == "numpy" else RedisIndex(request.getfixturevalue("index_client"))
    chosen.create(COLLECTION)
    return chosen


def hash_of(id: str) -> str:
    return hash_document_id(id)


def visible(index: VectorIndex, **arguments: object) -> list[tuple[str, int, int]]:
    hits = index.search(COLLECTION, QUERY, k=1000, **arguments)  # type: ignore[arg-type]
    return [(hit.doc_hash, hit.generation, hit.ordinal) for hit in hits]


def test_a_written_document_is_found_with_everything_that_was_given(index: VectorIndex) -> None:
    head = make_head("a/ä", 7, metadata={"kind": ["x", "y"], "year": 2001, "free": {"deep": [1, None]}}, title="Tïtle")
    chunks = make_chunks(directions(5), "Größe 𝄞")
    outcome = index.write(COLLECTION, head, chunks)
    assert outcome.outcome == "written"
    assert outcome.chunks == 5

    stored = index.head(COLLECTION, hash_of("a/ä"))
    assert stored == replace(head, chunks=5, live=True, sequence=outcome.sequence)
    assert index.chunks(COLLECTION, hash_of("a/ä")) == chunks
    for kept, given in zip(index.chunks(COLLECTION, hash_of("a/ä")), chunks, strict=True):
        assert np.array_equal(kept.vector, given.vector)

    hits = index.search(COLLECTION, chunks[3].vector, k=5)
    assert len(hits) == 5
    best = hits[0]
    assert (best.ordinal, best.text, best.start, best.end) == (3, "Größe 𝄞 3", 300, 350)
    assert (best.heading, best.page, best.generation) == ("Part > Section", None, 7)
    assert best.distance == pytest.approx(0.0, abs=1e-5)
    assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)


@pytest.mark.parametrize("count", [1, 3, 300])
def test_a_new_generation_replaces_the_old_one(index: VectorIndex, count: int) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(5), "old"))
    index.write(COLLECTION, make_head("b", 1), make_chunks(directions(2), "other"))
    second = index.write(COLLECTION, make_head("a", 2), make_chunks(directions(count, seed=2), "new"))
    assert (second.outcome, second.chunks) == (Outcome.WRITTEN, count)
    found = visible(index)
    assert {(generation, ordinal) for doc, generation, ordinal in found if doc == hash_of("a")} == {
        (2, ordinal) for ordinal in range(count)
    }
    assert len([doc for doc, _, _ in found if doc == hash_of("b")]) == 2
    assert [chunk.text for chunk in index.chunks(COLLECTION, hash_of("a"))] == [f"new {n}" for n in range(count)]
    info = index.info(COLLECTION)
    assert (info.documents, info.chunks, info.failures, info.indexing) == (2, count + 2, 0, False)


def test_going_from_a_large_document_to_a_small_one_leaves_nothing(index: VectorIndex) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(700)))
    assert index.info(COLLECTION).chunks == 700
    index.write(COLLECTION, make_head("a", 2), make_chunks(directions(1)))
    assert index.info(COLLECTION).chunks == 1
    index.delete(COLLECTION, hash_of("a"), 3, 1)
    assert index.info(COLLECTION).chunks == 0


@pytest.mark.parametrize("count", [2, 300])
def test_older_writers_are_refused_and_change_nothing(index: VectorIndex, count: int) -> None:
    newest = index.write(COLLECTION, make_head("a", 5, attempt=2), make_chunks(directions(3), "newest"))
    for generation, attempt, expected in [(4, 1, "stale"), (4, 9, "stale"), (5, 1, "stale"), (5, 2, "already")]:
        late = index.write(COLLECTION, make_head("a", generation, attempt=attempt), make_chunks(directions(count)))
        assert (late.outcome, late.sequence, late.chunks) == (expected, newest.sequence, 3)
        gone = index.delete(COLLECTION, hash_of("a"), generation, attempt)
        assert (gone.outcome, gone.sequence) == (expected, newest.sequence)
    assert [chunk.text for chunk in index.chunks(COLLECTION, hash_of("a"))] == ["newest 0", "newest 1", "newest 2"]
    assert index.info(COLLECTION).chunks == 3


def test_a_later_attempt_of_the_same_generation_may_write(index: VectorIndex) -> None:
    index.write(COLLECTION, make_head("a", 5, attempt=1), make_chunks(directions(4)))
    again = index.write(COLLECTION, make_head("a", 5, attempt=2), make_chunks(directions(2), "again"))
    assert (again.outcome, again.chunks) == ("written", 2)
    assert sorted(ordinal for _, _, ordinal in visible(index)) == [0, 1]
    assert index.info(COLLECTION).chunks == 2


def test_a_rewritten_chunk_keeps_nothing_of_the_attempt_before(index: VectorIndex) -> None:
    vectors = directions(4)
    index.write(COLLECTION, make_head("a", 5, attempt=1, metadata={"kind": "first"}), make_chunks(vectors))
    plain = [replace(chunk, heading="", page=None) for chunk in make_chunks(vectors)]
    index.write(COLLECTION, make_head("a", 5, attempt=2), plain)
    assert index.chunks(COLLECTION, hash_of("a")) == plain
    assert visible(index, filter=parse_filter({"field": "kind", "eq": "first"}, COLLECTION)) == []


def test_a_tombstone_keeps_slow_workers_out(index: VectorIndex) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(3)))
    gone = index.delete(COLLECTION, hash_of("a"), 3, 1)
    assert (gone.outcome, gone.chunks) == ("written", 0)
    assert visible(index) == []
    assert index.chunks(COLLECTION, hash_of("a")) == []
    head = index.head(COLLECTION, hash_of("a"))
    assert head is not None
    assert (head.live, head.generation, head.chunks) == (False, 3, 0)
    assert index.write(COLLECTION, make_head("a", 2), make_chunks(directions(3))).outcome == "stale"
    assert index.write(COLLECTION, make_head("a", 2), make_chunks(directions(300))).outcome == "stale"
    assert index.info(COLLECTION).documents == 0
    assert index.write(COLLECTION, make_head("a", 4), make_chunks(directions(1))).outcome == "written"
    assert index.info(COLLECTION).documents == 1


def test_deleting_what_is_not_there_leaves_a_tombstone(index: VectorIndex) -> None:
    assert index.delete(COLLECTION, hash_of("never"), 10, 1).outcome == "written"
    assert index.write(COLLECTION, make_head("never", 9), make_chunks(directions(1))).outcome == "stale"
    assert index.info(COLLECTION).documents == 0


def test_sequences_only_grow(index: VectorIndex) -> None:
    seen = [index.write(COLLECTION, make_head("a", n), make_chunks(directions(1))).sequence for n in range(1, 6)]
    seen.append(index.write(COLLECTION, make_head("b", 1), make_chunks(directions(300))).sequence)
    seen.append(index.delete(COLLECTION, hash_of("a"), 9, 1).sequence)
    assert seen == sorted(set(seen))
    assert seen[0] > 1_600_000_000_000_000  # microseconds since the epoch: a restored server still outranks older ones
    assert index.info(COLLECTION).sequence == seen[-1]


@pytest.mark.parametrize("count", [3, 300])
def test_metadata_is_copied_without_new_vectors(index: VectorIndex, count: int) -> None:
    vectors = directions(count)
    index.write(COLLECTION, make_head("a", 1, metadata={"kind": "old"}, text_hash="same"), make_chunks(vectors))
    copied = index.copy_metadata(COLLECTION, make_head("a", 2, metadata={"kind": "new"}, text_hash="same", title="T"))
    assert (copied.outcome, copied.chunks) == ("written", count)
    head = index.head(COLLECTION, hash_of("a"))
    assert head is not None
    assert (head.generation, head.title, head.metadata) == (2, "T", {"kind": "new"})
    assert np.array_equal(np.stack([c.vector for c in index.chunks(COLLECTION, hash_of("a"))]), vectors)
    for kind, expected in [("old", 0), ("new", count)]:
        wanted = parse_filter({"field": "kind", "eq": kind}, COLLECTION)
        assert len(visible(index, filter=wanted)) == expected
    assert index.copy_metadata(COLLECTION, make_head("a", 2, text_hash="same")).outcome == "already"
    assert index.copy_metadata(COLLECTION, make_head("a", 1, text_hash="same")).outcome == "stale"


def test_there_may_be_nothing_to_copy_from(index: VectorIndex) -> None:
    assert index.copy_metadata(COLLECTION, make_head("a", 2)).outcome == "missing"
    index.write(COLLECTION, make_head("a", 1, text_hash="one"), make_chunks(directions(1)))
    assert index.copy_metadata(COLLECTION, make_head("a", 2, text_hash="another")).outcome == "missing"
    index.delete(COLLECTION, hash_of("a"), 3, 1)
    assert index.copy_metadata(COLLECTION, make_head("a", 4, text_hash="one")).outcome == "missing"


def bad_vectors() -> dict[str, object]:
    good = directions(1)[0]
    nan, infinite = good.copy(), good.copy()
    nan[2], infinite[0] = np.nan, np.inf
    return {"short": good[:7], "long": np.append(good, np.float32(1)), "nan": nan, "inf": infinite, "zero": good * 0}


@pytest.mark.parametrize("name", list(bad_vectors()))
@pytest.mark.parametrize("count", [3, 300])
def test_bad_vectors_are_refused_and_nothing_is_written(index: VectorIndex, name: str, count: int) -> None:
    vectors = [*directions(count)[:-1], bad_vectors()[name]]
    with pytest.raises(InvalidInput) as caught:
        index.write(COLLECTION, make_head("a", 1), make_chunks(vectors))  # type: ignore[arg-type]
    assert caught.value.code == "bad-vector"
    assert index.head(COLLECTION, hash_of("a")) is None
    assert index.info(COLLECTION).chunks == 0
    with pytest.raises(InvalidInput):
        index.search(COLLECTION, bad_vectors()[name], k=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1e6, 1e-12])
def test_a_vector_that_does_not_fit_half_precision_is_refused(index: VectorIndex, scale: float) -> None:
    collection = make_collection(id="half", vector_type=VectorType.FLOAT16)
    index.create(collection)
    with pytest.raises(InvalidInput):
        index.write(collection, make_head("a", 1), make_chunks(directions(1) * np.float32(scale)))
    assert index.head(collection, hash_of("a")) is None


def test_wrong_metadata_is_refused_and_nothing_is_written(index: VectorIndex) -> None:
    with pytest.raises(InvalidInput) as caught:
        index.write(COLLECTION, make_head("a", 1, metadata={"year": "1999"}), make_chunks(directions(1)))
    assert caught.value.pointer == "/metadata/year"
    assert index.head(COLLECTION, hash_of("a")) is None


@pytest.mark.parametrize("ordinals", [[], [1], [0, 2], [0, 0]])
def test_ordinals_have_no_gaps(index: VectorIndex, ordinals: list[int]) -> None:
    chunks = [replace(make_chunks(directions(1))[0], ordinal=ordinal) for ordinal in ordinals]
    with pytest.raises(ValueError, match="ordinals"):
        index.write(COLLECTION, make_head("a", 1), chunks)


def test_an_absent_index_is_an_error_and_no_empty_answer(index: VectorIndex) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(2)))
    index.drop(COLLECTION)
    index.drop(COLLECTION)
    assert not index.exists(COLLECTION)
    with pytest.raises(IndexRebuilding):
        index.search(COLLECTION, QUERY, k=3)
    with pytest.raises(IndexRebuilding):
        index.info(COLLECTION)


def test_creating_twice_is_harmless(index: VectorIndex) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(2)))
    index.create(COLLECTION)
    assert index.exists(COLLECTION)
    assert len(visible(index)) == 2


def test_collections_and_versions_do_not_mix(index: VectorIndex) -> None:
    others = [make_collection(id="abcdefghijkmn"), make_collection(version=2), make_collection(version=11)]
    for other in others:
        index.create(other)
        index.write(other, make_head("a", 1), make_chunks(directions(2), "other"))
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(1), "mine"))
    assert [hit.text for hit in index.search(COLLECTION, QUERY, k=10)] == ["mine 0"]
    assert all(len(index.search(other, QUERY, k=10)) == 2 for other in others)


def test_heads_come_in_the_order_asked_for(index: VectorIndex) -> None:
    for number in range(5):
        index.write(COLLECTION, make_head(f"d{number}", 1), make_chunks(directions(1)))
    names = ["d3", "missing", "d0", "d3"] * 300
    heads = index.heads(COLLECTION, [hash_of(name) for name in names])
    assert [head.id if head else "missing" for head in heads] == names
    assert index.heads(COLLECTION, []) == []


def test_k_and_left_out_documents_are_kept_to(index: VectorIndex) -> None:
    for number in range(6):
        index.write(COLLECTION, make_head(f"d{number}", 1), make_chunks(directions(4, seed=number)))
    everything = index.nearest(COLLECTION, QUERY, k=24)
    assert len(everything) == 24
    for k in (1, 2, 13):
        assert index.nearest(COLLECTION, QUERY, k=k) == everything[:k]
    left_out = [hash_of("d1"), hash_of("d4")]
    rest = index.nearest(COLLECTION, QUERY, k=24, without=left_out)
    assert rest == [near for near in everything if near.doc_hash not in left_out]
    wanted = parse_filter({"not": {"field": "kind", "eq": "x"}}, COLLECTION)
    assert index.nearest(COLLECTION, QUERY, k=24, without=left_out, filter=wanted) == rest


def test_resolving_tells_visible_moved_and_gone_apart(index: VectorIndex) -> None:
    for name, generation in [("a", 5), ("b", 5), ("c", 5)]:
        index.write(COLLECTION, make_head(name, generation), make_chunks(directions(2)))
    index.delete(COLLECTION, hash_of("c"), 6, 1)
    asked = [("a", 4), ("a", 5), ("nobody", 1), ("b", 5), ("b", 6), ("c", 5)]
    neighbours = [Neighbour(hash_of(name), generation, 1, 0.1) for name, generation in asked]
    all_of_it = index.resolve(COLLECTION, neighbours, offset=0, limit=10)
    assert [(found.head.id, found.hit.generation, found.hit.ordinal) for found in all_of_it.found] == [
        ("a", 5, 1),
        ("b", 5, 1),
    ]
    assert (all_of_it.valid, all_of_it.walked, all_of_it.documents) == (2, 6, 2)
    assert all_of_it.moved == {hash_of("a"): 5}
    assert all_of_it.rebuilding is None
    second = index.resolve(COLLECTION, neighbours, offset=1, limit=1)
    assert [found.head.id for found in second.found] == ["b"]
    first = index.resolve(COLLECTION, neighbours, offset=0, limit=1)
    assert (first.valid, first.walked, [found.head.id for found in first.found]) == (2, 4, ["a"])


def test_purging_removes_a_collection_and_no_other(index: VectorIndex) -> None:
    other = make_collection(id="abcdefghijkmn")
    index.create(other)
    for number in range(30):
        for collection in (COLLECTION, other):
            index.write(collection, make_head(f"d{number}", 1), make_chunks(directions(2)))
    removed = []
    while True:
        removed.append(index.purge(COLLECTION.id, 20))
        if not removed[-1]:
            break
    assert sum(removed) >= 30
    assert len(removed) >= 3
    assert not index.exists(COLLECTION)
    assert index.heads(COLLECTION, [hash_of("d1")]) == [None]
    assert index.info(other).documents == 30


@pytest.mark.parametrize("vector_type", list(VectorType))
@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_kind_of_index_ranks_alike(index: VectorIndex, vector_type: VectorType, algorithm: Algorithm) -> None:
    collection = make_collection(id="kinds", vector_type=vector_type, algorithm=algorithm, dim=16)
    index.create(collection)
    vectors = directions(60, dim=16)
    for number, vector in enumerate(vectors):
        index.write(collection, make_head(f"d{number}", 1), make_chunks([vector]))
    query = directions(1, dim=16, seed=5)[0]
    expected = np.argsort(-(vectors @ query))[:5]
    hits = index.search(collection, query, k=5)
    assert [hit.doc_hash for hit in hits] == [hash_of(f"d{number}") for number in expected]
    assert [hit.distance for hit in hits] == pytest.approx(list(1 - vectors[expected] @ query), abs=2e-3)
