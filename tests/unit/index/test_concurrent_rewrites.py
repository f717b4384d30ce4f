"""Readers while documents are rewritten: every answer shows each document once, whole, in one generation."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from services.ids import hash_document_id
from services.index.adapter import RedisIndex
from services.redis_clients import BULK, connect
from services.search.gather import Effort, gather
from tests.conftest import RedisPair
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection(dim=4)
QUERY = directions(1, dim=4, seed=3)[0]
DOCUMENTS = ("a", "b", "c")
SMALL = (1, 9, 2, 30, 5)
LARGE = (300, 2, 270, 290)
POLLS = 50


@pytest.fixture
def indexes(redis_pair: RedisPair) -> Iterator[Callable[[], RedisIndex]]:
    clients = []

    def make() -> RedisIndex:
        clients.append(connect(redis_pair.index.url, BULK))
        return RedisIndex(clients[-1])

    yield make
    for client in clients:
        client.close()


@dataclass
class Race:
    """What writer and pollers know of one another. It ends when both sides have done enough, however slow one is."""

    counts: tuple[int, ...]
    generation: int = 1
    over: bool = False

    def write(self, index: RedisIndex) -> None:
        """Writes one generation after another; generation g has counts[g % len(counts)] chunks."""
        while not self.over:
            for name in DOCUMENTS:
                put(index, name, self.generation + 1, self.counts)
            self.generation += 1

    def poll(self, index: RedisIndex, look: Callable[[RedisIndex], None]) -> int:
        for polls in itertools.count():
            if polls >= POLLS and self.generation >= 2 * len(self.counts):
                return polls
            look(index)
        raise AssertionError("unreachable")


def put(index: RedisIndex, name: str, generation: int, counts: tuple[int, ...]) -> None:
    chunks = make_chunks(directions(counts[generation % len(counts)], dim=4, seed=generation), f"g{generation}")
    head = make_head(name, generation, title=f"g{generation}")
    assert index.write(COLLECTION, head, chunks).outcome == "written"


def race(indexes: Callable[[], RedisIndex], counts: tuple[int, ...], look: Callable[[RedisIndex], None]) -> None:
    """Polls from two threads while a third rewrites all documents, every size of them at least once."""
    first = indexes()
    first.create(COLLECTION)
    for name in DOCUMENTS:
        put(first, name, 1, counts)
    run = Race(counts)
    with ThreadPoolExecutor(3) as threads:
        writer = threads.submit(run.write, indexes())
        pollers = [threads.submit(run.poll, indexes(), look) for _ in range(2)]
        try:
            polls = sum(poller.result() for poller in pollers)
        finally:
            run.over = True
        writer.result()
    print(f"{run.generation} generations of {len(DOCUMENTS)} documents against {polls} polls: 0 mixed, 0 missing")


def test_one_query_never_mixes_generations(indexes: Callable[[], RedisIndex]) -> None:
    def poll(index: RedisIndex) -> None:
        seen: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for near in index.nearest(COLLECTION, QUERY, k=1000):
            seen[near.doc_hash][near.generation].add(near.ordinal)
        assert len(seen) == len(DOCUMENTS), "a document is missing"
        for generations in seen.values():
            assert len(generations) == 1, "a document is there twice"
            for generation, ordinals in generations.items():
                assert ordinals == set(range(SMALL[generation % len(SMALL)])), "a document is half there"

    race(indexes, SMALL, poll)


@pytest.mark.parametrize("counts", [SMALL, LARGE], ids=["small", "large"])
def test_a_search_shows_every_document_once(indexes: Callable[[], RedisIndex], counts: tuple[int, ...]) -> None:
    latest: dict[int, dict[str, int]] = defaultdict(dict)

    def poll(index: RedisIndex) -> None:
        page = gather(
            index, COLLECTION, QUERY, offset=0, limit=10, filter=None, effort=Effort(ef_runtime=200, timeout_ms=30_000)
        )
        assert page.settled
        assert sorted(found.head.id for found in page.found) == list(DOCUMENTS)
        assert not page.has_more
        for found in page.found:
            assert found.hit.generation == found.head.generation
            assert found.hit.text == f"{found.head.title} {found.hit.ordinal}"
            assert found.head.title == f"g{found.head.generation}"
            earlier = latest[threading.get_ident()].get(found.head.id, 0)
            assert found.head.generation >= earlier, "an older version came back"
            latest[threading.get_ident()][found.head.id] = found.head.generation

    race(indexes, counts, poll)
    index = indexes()
    expected = sum(
        head.chunks for head in index.heads(COLLECTION, [hash_document_id(name) for name in DOCUMENTS]) if head
    )
    assert index.info(COLLECTION).chunks == expected, "chunks of old generations were left"
