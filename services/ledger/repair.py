"""Keeps the index equal to the ledger: notices what it lost, has it made again, and says so while it lasts.

An index loses documents when its server crashes within the second it fsyncs in, when it is flushed, restored or
replaced. Signs are looked for in every sweep: the server's run id changed, its instance mark is gone, the search index
is gone, its finish sequence is behind the ledger's. Any of them starts a comparison of everything, newest first; apart
from that a few documents are compared in every sweep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.collections.values import Collection
from services.errors import IndexRebuilding
from services.ids import rebuild_key
from services.ledger import keys
from services.ledger.comparing import NOTHING, Compared, Comparer, IndexSide
from services.ledger.erasing import Erasing, is_erasing
from services.ledger.instance import Instances
from services.ledger.ledger import Ledger
from services.ledger.log_rewrite import rewrite_log
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client

SLICE = 500
WHOLE_PER_SWEEP = 10_000
ROLLING_PER_SWEEP = 200


@dataclass(frozen=True, slots=True)
class Repaired:
    """What one sweep found and set right; ``rebuilding`` holds (searchable, expected) per collection id."""

    compared: Compared = NOTHING
    created: int = 0
    rebuilding: dict[str, tuple[int, int]] = field(default_factory=dict)


class IndexRepair:
    """The keeper's part that looks at the index. Reads heads, queues documents, sets marks; writes no chunks."""

    def __init__(
        self,
        ledger: Ledger,
        index: IndexSide,
        index_client: Client,
        instances: Instances,
        erasing: Erasing | None = None,
    ) -> None:
        self._ledger = ledger
        self._erasing = erasing
        self._link = ledger.link
        self._index = index
        self._index_client = index_client
        self._instances = instances
        self._comparer = Comparer(ledger, index)

    def mark_wiped(self, collections: Sequence[Collection], instance: str) -> None:
        """The index has no mark: nothing in it is believed any more.

        Searches are told first, then the mark is set; a crash in between repeats the step.
        """
        for collection in collections:
            self._compare_everything(collection.id, wiped=True)
        self._mirror(collections)
        self._instances.mark_index(instance)

    def repair(self, collections: Sequence[Collection]) -> Repaired:
        """One sweep over all collections. Raises Unavailable while the index does not answer."""
        self._notice_restart(collections)
        whole = [collection for collection in collections if not self._erase(collection)]
        created = sum(self._notice_absence(collection) for collection in whole)
        compared = self._go_on_comparing(whole)
        return Repaired(compared, created, self._mirror(collections))

    def compare(self, collection: Collection, doc_hashes: Sequence[str]) -> Compared:
        """Compares some documents at once."""
        return self._comparer.compare(collection, doc_hashes)

    def _erase(self, collection: Collection) -> bool:
        """Goes on forgetting a collection that is to be made again; True while that is under way."""
        if self._erasing is None or not is_erasing(self._ledger, collection.id):
            return False
        if not self._erasing.go_on(collection):
            return True
        # now, and not only when it was asked for: what was written meanwhile may be gone
        self._compare_everything(collection.id, wiped=True)
        return False

    def _notice_restart(self, collections: Sequence[Collection]) -> None:
        with redis_errors("index"):
            run_id = str(self._index_client.info("server")["run_id"])
        (known,) = self._link.read(lambda pipe: pipe.hget(keys.KEEPER, "index_run"))
        if known is not None and known.decode() == run_id:
            return
        for collection in collections:
            self._compare_everything(collection.id, wiped=False)
        self._set(keys.KEEPER, {"index_run": run_id})
        with redis_errors("index"):
            rewrite_log(self._index_client)

    def _notice_absence(self, collection: Collection) -> bool:
        """Makes a search index that is gone, and starts a comparison when the finish sequence fell back."""
        place = keys.collection(collection.id)
        last, (scanning, comparing) = self._link.read(
            lambda pipe: (
                pipe.zrevrange(keys.visible(collection.id), 0, 0, withscores=True),
                pipe.hmget(place, "scanning", "compare"),
            )
        )
        try:
            info = self._index.info(collection)
        except IndexRebuilding:
            self._set(place, {"scanning": 1})
            self._mirror([collection])  # before it exists: an index that is still reading keys gives too few hits
            self._index.create(collection)
            return True
        if scanning and not info.indexing:
            self._link.attempt(lambda: self._link.client.hdel(place, "scanning"))
        if last and info.sequence < int(last[0][1]) and comparing is None:
            self._compare_everything(collection.id, wiped=False)
        return False

    def _compare_everything(self, collection_id: str, *, wiped: bool) -> None:
        """Starts a comparison from the newest document on, anew if one is under way."""
        start: dict[str, str | int] = {"compare": "", "confirmed": 0}
        self._set(keys.collection(collection_id), start | ({"wiped": 1} if wiped else {}))

    def _go_on_comparing(self, collections: Sequence[Collection]) -> Compared:
        total, left = NOTHING, WHOLE_PER_SWEEP
        places = [keys.collection(collection.id) for collection in collections]
        under_way = (
            self._link.read(lambda pipe: [pipe.hmget(place, "compare", "confirmed") for place in places])
            if places
            else []
        )
        for collection, (cursor, confirmed) in zip(collections, under_way, strict=True):
            if cursor is None:
                continue
            part = self._compare_whole(collection, cursor.decode(), int(confirmed or 0), left)
            total, left = total + part, left - part.documents
            if left <= 0:
                return total
        return total + self._roll(collections)

    def _compare_whole(self, collection: Collection, cursor: str, confirmed: int, most: int) -> Compared:
        place, total = keys.collection(collection.id), NOTHING
        while total.documents < most:
            part = self._comparer.walk(collection, "visible", cursor, SLICE)
            total, cursor = total + part, part.cursor
            if not cursor:
                self._link.attempt(lambda: self._link.client.hdel(place, "compare", "confirmed", "wiped"))
                break
            self._set(place, {"compare": cursor, "confirmed": confirmed + total.agreeing})
        return total

    def _roll(self, collections: Sequence[Collection]) -> Compared:
        """A few documents of the next collection in turn."""
        if not collections:
            return NOTHING
        turn = int(self._link.attempt(lambda: self._link.client.hincrby(keys.KEEPER, "turn", 1)))
        collection = collections[turn % len(collections)]
        place = keys.collection(collection.id)
        (noted,) = self._link.read(lambda pipe: pipe.hget(place, "rolling"))
        total, cursor = NOTHING, (noted or b"").decode()
        while total.documents < ROLLING_PER_SWEEP:
            total += self._comparer.walk(collection, "all", cursor, ROLLING_PER_SWEEP - total.documents)
            cursor = total.cursor
            if not cursor:
                break
        self._set(place, {"rolling": cursor})
        return total

    def _mirror(self, collections: Sequence[Collection]) -> dict[str, tuple[int, int]]:
        """Tells searches, which ask only the index, what is being rebuilt."""
        standing = {collection.id: self._ledger.rebuilding(collection.id) for collection in collections}
        wanted = {cid: None if found is None else b"%d/%d" % found for cid, found in standing.items()}
        with redis_errors("index"):
            present = (
                dict(zip(wanted, self._index_client.mget([rebuild_key(cid) for cid in wanted]), strict=True))
                if wanted
                else {}
            )
            for cid, mark in wanted.items():
                if mark is None and present[cid] is not None:
                    self._index_client.delete(rebuild_key(cid))
                elif mark is not None and present[cid] != mark:
                    self._index_client.set(rebuild_key(cid), mark)
        return {cid: found for cid, found in standing.items() if found is not None}

    def _set(self, key: str, fields: Mapping[str, str | int]) -> None:
        self._link.attempt(lambda: self._link.client.hset(key, mapping=dict[Any, Any](fields)))
