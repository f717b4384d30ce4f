"""Large documents: staged beside what is visible, flipped at once, nothing left over however often it breaks off."""

from __future__ import annotations

import pytest

from services.ids import chunk_prefix, hash_document_id, head_key
from services.index.adapter import RedisIndex
from services.index.values import Outcome
from services.index.writer import DocumentWriter, PackedDocument, pack_document
from services.redis_clients import Client
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection(dim=4)
DOC = hash_document_id("a")
QUERY = directions(1, dim=4)[0]


@pytest.fixture
def index(index_client: Client) -> RedisIndex:
    made = RedisIndex(index_client)
    made.create(COLLECTION)
    return made


def packed(count: int, words: str = "text") -> PackedDocument:
    return pack_document(COLLECTION, DOC, make_head("a"), make_chunks(directions(count, dim=4), words))


def stage_part(client: Client, generation: int, attempt: int, count: int, *, slices: int) -> bytes:
    """Stages only the first slices of a document, as a worker does that is killed then."""
    writer = DocumentWriter(client, COLLECTION, DOC, generation, attempt)
    document = packed(count, "dead")
    return writer._stage(PackedDocument(document.shared, document.head, document.columns[: 64 * slices]))[0]


def chunk_keys(client: Client) -> set[str]:
    pattern = chunk_prefix(COLLECTION.id, COLLECTION.version) + "*"
    return {key.decode().split("}:")[1] for key in client.scan_iter(pattern, count=1000)}


def keys_of(generation: int, count: int) -> set[str]:
    return {f"{generation}:{ordinal}" for ordinal in range(count)}


def write(index: RedisIndex, generation: int, count: int, attempt: int = 1) -> Outcome:
    chunks = make_chunks(directions(count, dim=4), f"g{generation}")
    return index.write(COLLECTION, make_head("a", generation, attempt=attempt), chunks).outcome


def test_what_is_staged_is_not_seen(index: RedisIndex, index_client: Client) -> None:
    stage_part(index_client, 5, 1, 300, slices=2)
    assert index.search(COLLECTION, QUERY, k=1000) == []
    assert index.head(COLLECTION, DOC) is None
    assert index.chunks(COLLECTION, DOC) == []
    assert index.info(COLLECTION).documents == 0

    write(index, 4, 3)
    assert {hit.generation for hit in index.search(COLLECTION, QUERY, k=1000)} == {4}
    assert index.info(COLLECTION).chunks == 3 + 128


@pytest.mark.parametrize(
    ("dead_slices", "count"), [(1, 300), (5, 290), (4, 257), (5, 2)], ids=["more", "fewer", "fewest", "now small"]
)
def test_another_attempt_finishes_what_a_dead_worker_began(
    index: RedisIndex, index_client: Client, dead_slices: int, count: int
) -> None:
    write(index, 4, 280)
    stage_part(index_client, 5, 1, 320, slices=dead_slices)
    assert {hit.generation for hit in index.search(COLLECTION, QUERY, k=1000)} == {4}
    assert write(index, 5, count, attempt=2) == "written"
    assert chunk_keys(index_client) == keys_of(5, count)
    assert [chunk.text for chunk in index.chunks(COLLECTION, DOC)] == [f"g5 {n}" for n in range(count)]
    assert index.info(COLLECTION).chunks == count


@pytest.mark.parametrize("count", [2, 300])
def test_a_newer_generation_clears_an_abandoned_stage(index: RedisIndex, index_client: Client, count: int) -> None:
    stage_part(index_client, 5, 1, 320, slices=5)
    assert write(index, 6, count) == "written"
    assert chunk_keys(index_client) == keys_of(6, count)


def test_deleting_clears_an_abandoned_stage(index: RedisIndex, index_client: Client) -> None:
    stage_part(index_client, 5, 1, 320, slices=5)
    index.delete(COLLECTION, DOC, 6, 1)
    assert chunk_keys(index_client) == set()


def test_older_workers_leave_a_newer_stage_alone(index: RedisIndex, index_client: Client) -> None:
    newer = DocumentWriter(index_client, COLLECTION, DOC, 9, 1)
    document = packed(300)
    newer._stage(document)
    assert stage_part(index_client, 8, 1, 300, slices=1) == b"stale"
    assert write(index, 7, 2) == "written"
    assert index.delete(COLLECTION, DOC, 8, 1).outcome == "written"
    assert index_client.ttl(head_key(COLLECTION.id, COLLECTION.version, DOC)) == -1
    assert newer._run("flip", 64, 300, len(document.head), *document.head)[0] == b"written"
    assert chunk_keys(index_client) == keys_of(9, 300)


def test_a_small_write_of_an_older_attempt_does_not_touch_a_newer_ones_stage(
    index: RedisIndex, index_client: Client
) -> None:
    DocumentWriter(index_client, COLLECTION, DOC, 9, 2)._stage(packed(300))
    assert write(index, 9, 3, attempt=1) == "stale"
    assert len(chunk_keys(index_client)) == 300


def test_a_stage_that_was_lost_is_staged_again(index: RedisIndex, index_client: Client) -> None:
    stage_part(index_client, 5, 1, 300, slices=3)
    index_client.flushall()
    index.create(COLLECTION)
    writer = DocumentWriter(index_client, COLLECTION, DOC, 5, 1)
    document = packed(300)
    late = [192, 64, len(document.shared), *document.shared, *document.slice(192, 64)]
    assert writer._run("stage", 64, *late)[0] == b"restage"
    assert writer._run("flip", 64, 300, len(document.head), *document.head)[0] == b"restage"
    assert chunk_keys(index_client) == set()
    assert write(index, 5, 300) == "written"
    assert chunk_keys(index_client) == keys_of(5, 300)


def test_slices_must_follow_one_another(index: RedisIndex, index_client: Client) -> None:
    writer = DocumentWriter(index_client, COLLECTION, DOC, 5, 1)
    document = packed(300)

    def stage(first: int) -> bytes:
        sizes = [first, 64, len(document.shared)]
        return writer._run("stage", 64, *sizes, *document.shared, *document.slice(first, 64))[0]

    assert stage(0) == b"staged"
    assert stage(128) == b"restage"
    assert writer._run("flip", 64, 300, len(document.head), *document.head)[0] == b"restage"
    assert stage(64) == b"staged"
    assert index.head(COLLECTION, DOC) is None


def test_left_over_chunks_of_the_same_generation_do_not_take_new_ones_with_them(
    index: RedisIndex, index_client: Client
) -> None:
    stage_part(index_client, 5, 1, 320, slices=5)
    document = packed(2)
    sizes = [2, len(document.shared), len(document.head)]
    breaks_off = DocumentWriter(index_client, COLLECTION, DOC, 5, 2)
    reply = breaks_off._run("write", 256, *sizes, *document.shared, *document.head, *document.slice(0, 2))
    assert (reply[0], int(reply[3])) == (b"written", 1)
    assert write(index, 5, 50, attempt=3) == "written"
    assert chunk_keys(index_client) == keys_of(5, 50)


def test_a_lost_answer_does_not_stage_over_what_is_visible(index: RedisIndex, index_client: Client) -> None:
    first = index.write(COLLECTION, make_head("a", 5, attempt=1), make_chunks(directions(300, dim=4), "one"))
    again = index.write(COLLECTION, make_head("a", 5, attempt=2), make_chunks(directions(310, dim=4), "two"))
    assert (again.outcome, again.sequence, again.chunks) == ("already", first.sequence, 300)
    assert {chunk.text.split()[0] for chunk in index.chunks(COLLECTION, DOC)} == {"one"}
    assert index.write(COLLECTION, make_head("a", 5, attempt=1), make_chunks(directions(3, dim=4))).outcome == "stale"
    assert chunk_keys(index_client) == keys_of(5, 300)


def test_clearing_that_broke_off_is_taken_up_by_the_next_write(index: RedisIndex, index_client: Client) -> None:
    write(index, 1, 700)
    document = packed(300)
    writer = DocumentWriter(index_client, COLLECTION, DOC, 2, 1)
    writer._stage(document)
    assert int(writer._run("flip", 64, 300, len(document.head), *document.head)[3]) == 1
    assert {hit.generation for hit in index.search(COLLECTION, QUERY, k=2000)} == {2}
    assert len(chunk_keys(index_client)) == 700 - 64 + 300
    assert write(index, 3, 1) == "written"
    assert chunk_keys(index_client) == keys_of(3, 1)


def test_tombstones_go_after_a_while_and_documents_do_not(index: RedisIndex, index_client: Client) -> None:
    key = head_key(COLLECTION.id, COLLECTION.version, DOC)
    write(index, 1, 700)
    assert index_client.ttl(key) == -1
    index.delete(COLLECTION, DOC, 2, 1)
    assert index_client.ttl(key) > 86_400
    write(index, 3, 300)
    assert index_client.ttl(key) == -1
    write(index, 4, 2)
    index.delete(COLLECTION, DOC, 5, 1)
    assert index_client.ttl(key) > 86_400
