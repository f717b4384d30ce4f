"""What only the index on Redis can get wrong: scripts, errors of the server, and what reaches it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from services.collections.values import Algorithm, VectorType
from services.errors import IndexRebuilding, InvalidInput, StorageFull, Unavailable
from services.ids import counters_key, hash_document_id, purge_key, rebuild_key
from services.index import scripts
from services.index.adapter import RedisIndex
from services.index.faults import index_errors
from services.index.oracle import NumpyIndex
from services.index.purge import purge_keys
from services.index.records import neighbours_from
from services.index.values import Neighbour, Rebuilding
from services.index.writer import ATOMIC_CHUNKS
from services.redis_clients import INTERACTIVE, Client, connect
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection()


@pytest.fixture
def index(index_client: Client) -> RedisIndex:
    made = RedisIndex(index_client)
    made.create(COLLECTION)
    return made


def calls(client: Client, command: str) -> int:
    stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_a_small_document_is_one_script_call(index: RedisIndex, index_client: Client) -> None:
    index.write(COLLECTION, make_head("warm", 1), make_chunks(directions(1)))
    before, texts = calls(index_client, "evalsha"), calls(index_client, "eval")
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(ATOMIC_CHUNKS)))
    assert calls(index_client, "evalsha") == before + 1
    assert calls(index_client, "eval") == texts


def test_a_server_that_forgot_the_scripts_gets_them_again(index: RedisIndex, index_client: Client) -> None:
    for generation in (1, 2):
        index_client.script_flush()
        assert index.write(COLLECTION, make_head("a", generation), make_chunks(directions(300))).outcome == "written"
        index_client.script_flush()
        assert len(index.search(COLLECTION, directions(1)[0], k=300)) == 300
        assert index.head(COLLECTION, hash_document_id("a")) is not None
        assert len(index.chunks(COLLECTION, hash_document_id("a"))) == 300


def test_refused_vectors_never_reach_the_server(index: RedisIndex, index_client: Client) -> None:
    good = directions(1)[0]
    for bad in (good[:7], good * np.float32("nan"), good * 0):
        with pytest.raises(InvalidInput):
            index.write(COLLECTION, make_head("a", 1), make_chunks([good, bad]))
    assert index_client.dbsize() == 0
    assert index.info(COLLECTION).failures == 0


def test_a_server_without_memory_changes_nothing(index: RedisIndex, index_client: Client) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(3), "old"))
    limit = index_client.config_get("maxmemory")["maxmemory"]
    index_client.config_set("maxmemory", "1mb")
    try:
        for count in (2, 300):
            with pytest.raises(StorageFull):
                index.write(COLLECTION, make_head("a", 2), make_chunks(directions(count), "new"))
        assert [chunk.text for chunk in index.chunks(COLLECTION, hash_document_id("a"))] == ["old 0", "old 1", "old 2"]
        assert len(index.search(COLLECTION, directions(1)[0], k=10)) == 3
    finally:
        index_client.config_set("maxmemory", limit)
    assert index.write(COLLECTION, make_head("a", 2), make_chunks(directions(2), "new")).outcome == "written"


def test_an_unreachable_server_is_unavailable(tmp_path: Path) -> None:
    client = connect(f"unix://{tmp_path}/none.sock", INTERACTIVE)
    gone = RedisIndex(client)
    for call in (
        lambda: gone.create(COLLECTION),
        lambda: gone.exists(COLLECTION),
        lambda: gone.write(COLLECTION, make_head("a", 1), make_chunks(directions(1))),
        lambda: gone.delete(COLLECTION, "x", 1, 1),
        lambda: gone.head(COLLECTION, "x"),
        lambda: gone.search(COLLECTION, directions(1)[0], k=1),
        lambda: gone.purge(COLLECTION.id, 1),
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.retryable
        assert caught.value.code == "unavailable"


@pytest.mark.parametrize(
    ("raised", "expected", "code"),
    [
        (redis.TimeoutError("slow"), Unavailable, "search-timeout"),
        (redis.ResponseError("Timeout limit was reached"), Unavailable, "search-timeout"),
        (redis.ResponseError("nf:ix:a:1:b: no such index"), IndexRebuilding, "index-rebuilding"),
        (redis.ResponseError("Unknown index name"), IndexRebuilding, "index-rebuilding"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), Unavailable, "unavailable"),
        (redis.ResponseError("MISCONF Redis is configured to save"), StorageFull, "storage-full"),
        (redis.ResponseError("unknown command 'FT.SEARCH', with args beginning with: "), Unavailable, "unavailable"),
        (redis.ResponseError("Syntax error at offset 3"), redis.ResponseError, None),
    ],
)
def test_errors_of_the_server_get_their_meaning(raised: Exception, expected: type[Exception], code: str | None) -> None:
    with pytest.raises(expected) as caught, index_errors():
        raise raised
    assert getattr(caught.value, "code", None) == code


class EmptyAfterTheLimit:
    """A server that, without ON_TIMEOUT FAIL, answers a query that ran out of time with nothing."""

    def execute_command(self, *arguments: object) -> list[int]:
        time.sleep(0.03)
        return [0]


def test_an_empty_answer_at_the_time_limit_is_no_answer() -> None:
    slow = RedisIndex(EmptyAfterTheLimit())  # type: ignore[arg-type]
    with pytest.raises(Unavailable) as caught:
        slow.nearest(COLLECTION, directions(1)[0], k=3, timeout_ms=10)
    assert caught.value.code == "search-timeout"
    assert slow.nearest(COLLECTION, directions(1)[0], k=3, timeout_ms=10_000) == []


def test_the_rebuild_mark_is_read_with_the_hits(index: RedisIndex, index_client: Client) -> None:
    assert index.resolve(COLLECTION, [], offset=0, limit=1).rebuilding is None
    index_client.set(rebuild_key(COLLECTION.id), "12/340")
    assert index.resolve(COLLECTION, [], offset=0, limit=1).rebuilding == Rebuilding(12, 340)


def test_indexing_what_was_there_before_the_index(index: RedisIndex, index_client: Client) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(5)))
    index.drop(COLLECTION)
    index.create(COLLECTION)
    deadline = time.monotonic() + 30
    while index.info(COLLECTION).indexing and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(index.search(COLLECTION, directions(1)[0], k=10)) == 5


def test_purging_goes_on_where_it_stopped_and_ends_with_a_clean_pass(index: RedisIndex, index_client: Client) -> None:
    for number in range(200):
        index.write(COLLECTION, make_head(f"d{number}", 1), make_chunks(directions(1)))
    removed = [index.purge(COLLECTION.id, 50) for _ in range(3)]
    assert all(50 <= count <= 150 for count in removed)
    index.write(COLLECTION, make_head("late", 1), make_chunks(directions(1)))
    while index.purge(COLLECTION.id, 50):
        pass
    assert index_client.dbsize() == 0


def test_keys_behind_the_remembered_place_are_found_by_another_pass(index: RedisIndex, index_client: Client) -> None:
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(1)))
    index_client.mset({f"filler:{number}": "" for number in range(3000)})
    cursor, last, keys = -1, 0, []
    while cursor:
        last = max(cursor, 0)
        cursor, keys = index_client.execute_command("SCAN", last, "COUNT", 10)
    ours = [key for key in keys if not key.startswith(b"filler")]
    if ours:
        index_client.delete(*ours)
    index_client.set(purge_key(COLLECTION.id), last)
    assert index.purge(COLLECTION.id, 1000) > 0


def test_the_finish_sequence_never_goes_back(index: RedisIndex, index_client: Client) -> None:
    ahead = time.time_ns() // 1000 + 10**12  # the clock of the server that wrote before was wrong
    index_client.hset(counters_key(COLLECTION.id, COLLECTION.version), "sequence", ahead)
    assert index.write(COLLECTION, make_head("a", 1), make_chunks(directions(1))).sequence == ahead + 1
    assert index.delete(COLLECTION, hash_document_id("a"), 2, 1).sequence == ahead + 2


def test_neighbours_are_read_from_keys_in_a_fixed_order() -> None:
    rows = [("bb", 5, 2, "0.5"), ("aa", 9, 1, "0.5"), ("aa", 9, 0, "0.5"), ("cc", 1, 0, "1.2e-7")]
    reply: list[object] = [len(rows)]
    for doc, generation, ordinal, distance in rows:
        reply += [f"nf:c:x:1:{{{doc}}}:{generation}:{ordinal}".encode(), [b"distance", distance.encode()]]
    reply += [b"nf:c:x:1:{dd}:1:0", None]  # went away during the query
    assert neighbours_from(reply) == [
        Neighbour("cc", 1, 0, 1.2e-7),
        Neighbour("aa", 9, 0, 0.5),
        Neighbour("aa", 9, 1, 0.5),
        Neighbour("bb", 5, 2, 0.5),
    ]


@pytest.mark.parametrize("given", ["*", "", "a*b", "a:b", "[a-z]", "A"])
def test_only_our_own_ids_stand_in_a_pattern(index_client: Client, given: str) -> None:
    with pytest.raises(ValueError, match="collection id"):
        purge_keys(index_client, given, 1)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("vector_type", list(VectorType))
def test_recall_against_the_exact_index(index_client: Client, algorithm: Algorithm, vector_type: VectorType) -> None:
    collection = make_collection(id="recall", dim=32, algorithm=algorithm, vector_type=vector_type)
    exact, real = NumpyIndex(), RedisIndex(index_client)
    random = np.random.default_rng(7)
    centres = directions(40, dim=32, seed=8)
    vectors = centres[random.integers(0, 40, 2000)] + 0.4 * random.normal(size=(2000, 32))
    exact.create(make_collection(id="recall", dim=32))
    real.create(collection)
    for number in range(0, 2000, 50):
        chunks = make_chunks(vectors[number : number + 50].astype(np.float32))
        exact.write(make_collection(id="recall", dim=32), make_head(f"d{number}", 1), chunks)
        real.write(collection, make_head(f"d{number}", 1), chunks)
    hits = 0
    for query in centres[:20]:
        wanted = {near[:3] for near in _places(exact, make_collection(id="recall", dim=32), query)}
        hits += len(wanted & set(_places(real, collection, query)))
    least = {Algorithm.FLAT: 200 if vector_type is VectorType.FLOAT32 else 196, Algorithm.HNSW: 192}[algorithm]
    print(f"recall@10 {algorithm} {vector_type}: {hits / 200:.3f}")
    assert hits >= least


def _places(index: RedisIndex | NumpyIndex, collection: Any, query: Any) -> list[tuple[str, int, int]]:
    return [(near.doc_hash, near.generation, near.ordinal) for near in index.nearest(collection, query, k=10)]


def test_every_script_of_the_package_is_used() -> None:
    folder = Path(scripts.__file__).parent / "lua"
    changing = {"write", "stage", "flip", "delete", "sweep"}
    reading = {"heads", "chunks", "resolve"}
    repairing = {"inspect", "erase", "unstage", "strays", "recount"}
    assert {path.stem for path in folder.glob("*.lua")} == changing | reading | repairing | {"common"}


@pytest.mark.parametrize("module", ["filters", "values", "render", "metadata", "tags", "dates"])
def test_the_pure_part_imports_neither_torch_nor_redis(module: str) -> None:
    code = (
        f"import sys, services.index.{module}; "
        "loaded = {'torch', 'sentence_transformers', 'redis', 'redis_om', 'flask'} & set(sys.modules); "
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
