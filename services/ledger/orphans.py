"""Documents on the index that the ledger has never heard of: seen twice, long apart, they are removed; a few at a time.

A worker cannot make one: the ledger has every document before the index does. They come from a damaged or meddled-with
server, and each could be somebody's document, hence the patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.collections.values import Collection
from services.ids import head_prefix
from services.ledger import keys
from services.ledger.comparing import IndexSide
from services.ledger.ledger import Ledger
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client

KEYS_PER_SWEEP = 500
REMOVED_PER_SWEEP = 20


@dataclass(frozen=True, slots=True)
class Orphans:
    """What one sweep saw: documents noted as unknown, and those that went."""

    seen: int = 0
    removed: int = 0


class OrphanWatch:
    """Looks through the index server's keys, a stretch at a time.

    Args:
        patience_ms: between the two looks; longer than any lease.
    """

    def __init__(self, ledger: Ledger, index: IndexSide, index_client: Client, *, patience_ms: int = 60_000) -> None:
        self._ledger = ledger
        self._link = ledger.link
        self._index = index
        self._index_client = index_client
        self._patience_us = patience_ms * 1000

    def look(self, collections: Sequence[Collection]) -> Orphans:
        """One stretch. Raises Unavailable while the index does not answer."""
        (cursor,) = self._link.read(lambda pipe: pipe.hget(keys.KEEPER, "scan"))
        with redis_errors("index"):
            following, names = self._index_client.scan(int(cursor or 0), match="nf:h:*", count=KEYS_PER_SWEEP)
        seen = removed = 0
        for collection in collections:
            prefix = head_prefix(collection.id, collection.version)
            found = [name.decode() for name in names if name.decode().startswith(prefix)]
            hashes = [name.removeprefix(prefix).strip("{}") for name in found]
            for doc_hash in self._unknown(collection.id, hashes):
                gone = self._judge(collection, doc_hash, may_remove=removed < REMOVED_PER_SWEEP)
                seen, removed = seen + (gone is not None), removed + (gone is True)
        self._link.attempt(lambda: self._link.client.hset(keys.KEEPER, "scan", int(following)))
        return Orphans(seen, removed)

    def _unknown(self, collection_id: str, doc_hashes: Sequence[str]) -> list[str]:
        records = self._ledger.records(collection_id, doc_hashes) if doc_hashes else []
        return [doc_hash for doc_hash, record in zip(doc_hashes, records, strict=True) if record is None]

    def _judge(self, collection: Collection, doc_hash: str, *, may_remove: bool) -> bool | None:
        """None: a tombstone, which is no harm. False: noted or still waiting. True: removed."""
        (head,) = self._index.heads(collection, [doc_hash])
        if head is None or not head.live:
            return None
        member = f"{collection.id}:{doc_hash}:{head.generation}:{head.attempt}"
        client = self._link.client

        def note() -> tuple[int, float | None]:
            seconds, micros = client.time()
            now_us = int(seconds) * 1_000_000 + int(micros)
            client.zadd(keys.ORPHANS, {member: now_us}, nx=True)
            return now_us, client.zscore(keys.ORPHANS, member)

        now_us, first_us = self._link.attempt(note)
        if not may_remove or first_us is None or now_us - first_us < self._patience_us:
            return False
        self._index.delete(collection, doc_hash, head.generation, head.attempt + 1)
        self._link.attempt(lambda: client.zrem(keys.ORPHANS, member))
        return True
