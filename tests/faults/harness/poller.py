"""Asks 20 times a second what can be found and judges the answers: doubled, half, mixed, gone or back from the dead.

A poll asks for one document: a search over HTTP, its head and chunks in one script, and (for a document that is written
in one step) the Query Engine itself. What a poll finds wrong is kept in ``wrong``; what it could not ask is counted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict

import redis

from services.ids import chunk_prefix, hash_document_id, head_key
from services.redis_clients import INTERACTIVE, connect
from tests.faults.harness import plan, texts
from tests.faults.harness.journal import Journal
from tests.faults.harness.views import Answer, HttpView
from tests.processes import Product

PERIOD_S = 0.05
_LOOK = """
local head = redis.call('HMGET', KEYS[1], 'gen', 'n', 'live')
local there = 0
for n = 0, tonumber(head[2] or 0) - 1 do
  there = there + redis.call('EXISTS', ARGV[1] .. head[1] .. ':' .. string.format('%.0f', n))
end
return {head[1] or '0', head[2] or '0', head[3] or '0', there}
"""


class Poller:
    """A thread that polls until it is closed.

    Args:
        may_lose: whether the index may have lost documents (its log was cut, or it was emptied): then a document may
            be missing or old for a while, or a deleted one be back; never doubled or half.
    """

    def __init__(
        self, product: Product, collection: str, journal: Journal, *, may_lose: bool = False, name: str = ""
    ) -> None:
        self._journal = journal
        self._may_lose = may_lose
        self._view = HttpView(product, collection)
        self._client = connect(product.pair.index.url, INTERACTIVE)
        self._dice = plan.dice(f"poller {name}")
        self._met: dict[tuple[str, int], int] = {}
        self._dead: set[str] = set()
        self._sizes: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.wrong: list[str] = []
        self.missing = self.back = 0
        self.polls = 0
        self.statuses: Counter[int] = Counter()
        self.slowest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(60)
        self._view.close()
        self._client.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + PERIOD_S, time.monotonic() - PERIOD_S)
            living = self._journal.living()
            if living:
                self._poll(self._dice.choice(living))

    def _poll(self, document_id: str) -> None:
        number = texts.number_of(document_id)
        gone = set(self._journal.gone)
        dead = self._dead & gone
        life = (document_id, self._journal.deletes[document_id])  # deleted and added again, it may be away for a while
        started = time.monotonic()
        answer = self._view.find(texts.subject(number))
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        self.polls += 1
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self._judge(life, answer, dead & self._journal.gone)
        elif answer.status not in (0, 503):
            self.wrong.append(f"a search was answered with {answer.status}")
        if gone and self.polls % 4 == 0:
            self._look_for_dead(gone)
        try:
            self._look_at_index(document_id)
        except (redis.RedisError, OSError):
            self.statuses[-1] += 1

    def _judge(self, life: tuple[str, int], answer: Answer, dead: set[str]) -> None:
        document_id, known = life[0], self._met.get(life, 0)
        found = Counter(hit.id for hit in answer.hits)
        self.wrong += [f"{hit} came {count} times in one answer" for hit, count in found.items() if count > 1]
        mine = next((hit for hit in answer.hits if hit.id == document_id), None)
        if mine is not None:
            if mine.generation < known and not self._may_lose:
                self.wrong.append(f"{document_id} went back from {known} to {mine.generation}")
            self._met[life] = mine.generation
        elif known and answer.complete and self._is_missing(life):
            self.missing += 1
            if not self._may_lose:
                self.wrong.append(f"{document_id} was missing from an answer that called itself complete")
        back = [f"{hit.id} is back from the dead" for hit in answer.hits if hit.id in dead]
        self.back += len(back)
        self.wrong += [] if self._may_lose else back

    def _is_missing(self, life: tuple[str, int]) -> bool:
        """Whether it cannot be found at all; among thousands of documents it may just have been outranked."""
        answer = self._view.find_only(texts.subject(texts.number_of(life[0])))
        alive = self._journal.deletes[life[0]] == life[1]
        return alive and answer.status == 200 and answer.complete and not answer.hits

    def _look_for_dead(self, gone: set[str]) -> None:
        """A document that is deleted for people must not come back unless it is sent again."""
        document_id = self._dice.choice(sorted(gone))
        if self._view.status_of(document_id) == 404 and document_id in self._journal.gone:
            self._dead.add(document_id)

    def _look_at_index(self, document_id: str) -> None:
        hashed, collection = hash_document_id(document_id), self._view.collection_id
        prefix = f"{chunk_prefix(collection, 1)}{{{hashed}}}:"
        generation, chunks, live, there = self._client.eval(_LOOK, 1, head_key(collection, 1, hashed), prefix)
        if live == b"1":
            if int(there) != int(chunks):
                self.wrong.append(f"{document_id} had {int(there)} of {int(chunks)} chunks of {generation!r}")
            self._sizes[document_id, int(generation)].add(int(chunks))
            if len(self._sizes[document_id, int(generation)]) > 1:
                sizes = self._sizes[document_id, int(generation)]
                self.wrong.append(f"{document_id} {generation!r} had {sizes} chunks")
        if document_id not in self._journal.huge:  # a large one is staged beside the one that is visible
            self._look_at_engine(document_id, hashed)

    def _look_at_engine(self, document_id: str, hashed: str) -> None:
        names = self._client.execute_command("FT._LIST")
        if not names:
            return
        query = ("@d:{$h}", "PARAMS", "2", "h", hashed, "NOCONTENT", "LIMIT", "0", "100", "DIALECT", "2")
        reply = self._client.execute_command("FT.SEARCH", names[0], *query)
        generations = {int(key.rsplit(b":", 2)[-2]) for key in reply[1:]}
        if len(generations) > 1:
            self.wrong.append(f"{document_id}: generations {generations} at once")
