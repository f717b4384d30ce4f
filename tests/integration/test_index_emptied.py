"""An index that is emptied between the two steps of a search: the neighbours are known, their documents are gone."""

from __future__ import annotations

import pytest

from services.errors import IndexRebuilding
from services.index.adapter import RedisIndex
from services.redis_clients import Client
from tests.index_samples import directions, make_chunks, make_collection, make_head

COLLECTION = make_collection()


def test_it_does_not_answer_that_nothing_was_found(index_client: Client) -> None:
    index = RedisIndex(index_client)
    index.create(COLLECTION)
    index.write(COLLECTION, make_head("a", 1), make_chunks(directions(2)))
    near = index.nearest(COLLECTION, directions(1)[0], k=5, filter=None, ef_runtime=10, timeout_ms=1000)
    assert len(near) == 2
    index_client.flushdb()
    with pytest.raises(IndexRebuilding):
        index.resolve(COLLECTION, near, offset=0, limit=5)


def test_one_that_never_held_anything_does(index_client: Client) -> None:
    index = RedisIndex(index_client)
    index.create(COLLECTION)
    assert index.resolve(COLLECTION, [], offset=0, limit=5).found == ()
