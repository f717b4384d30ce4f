"""F20, F23: the index is dropped, emptied or offered vectors not its own. No answer ever says "nothing found"."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import pytest

from services.collections.models import to_record
from services.errors import Conflict, InvalidInput
from services.index.values import Chunk, DocumentHead
from services.redis_clients import BULK, connect
from services.search.values import SearchRequest
from tests.conftest import RedisPair
from tests.faults.harness import figures, plan, shelves, texts
from tests.faults.harness.bench import bench
from tests.faults.harness.rig import Rig, rig
from tests.faults.harness.views import HttpView

LONG_S = 3600
DOCUMENTS = 60
ROUNDS = 12 if plan.FULL else 2


class Asker(threading.Thread):
    """Searches without a pause for documents that are there all the time, with and without a filter."""

    def __init__(self, here: Rig, number: int) -> None:
        super().__init__(daemon=True)
        self._view, self._dice = HttpView(here.product, "docs"), plan.dice(f"asker {number}")
        self._stop_it = threading.Event()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._stop_it.is_set():
            number = self._dice.randrange(DOCUMENTS)
            group = texts.group(number) if self._dice.random() < 0.5 else ""
            answer = self._view.find(texts.subject(number), group=group)
            found = any(hit.id == texts.name(number) for hit in answer.hits)
            self.answers[f"{answer.status}{'' if answer.complete or answer.status != 200 else ' incomplete'}"] += 1
            if answer.status == 200 and not answer.hits:
                self.wrong.append("an answer without hits")
            elif answer.status == 200 and answer.complete and not found:
                self.wrong.append(f"{number} was not in an answer of {len(answer.hits)} that called itself complete")
            elif answer.status not in (200, 503):
                self.wrong.append(f"status {answer.status}")

    def close(self) -> None:
        self._stop_it.set()
        self.join(60)
        self._view.close()


@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("how", ["drop", "flush"])
def test_an_index_that_is_gone_never_answers_with_nothing(private_redis_pair: RedisPair, how: str) -> None:
    client = connect(private_redis_pair.index.url, BULK)
    with rig(private_redis_pair) as here:
        here.put([(number, 1) for number in range(DOCUMENTS)], "all")
        here.settle()
        askers = [Asker(here, number) for number in range(2)]
        for asker in askers:
            asker.start()
        for turn in range(ROUNDS):
            if how == "flush":
                client.flushdb()
            else:
                client.execute_command("FT.DROPINDEX", client.execute_command("FT._LIST")[0])
            for place in range(5):  # a worker is at it while the index is away
                here.put([(DOCUMENTS + place, turn * 5 + place)], f"more-{turn}-{place}")
                time.sleep(0.05)
            here.settle()
        for asker in askers:
            asker.close()
        here.judge(f"F23 {how}")
    client.close()
    answers = sum((asker.answers for asker in askers), Counter())
    wrong = [line for asker in askers for line in asker.wrong]
    figures.put(f"F23 {how}: answers", ", ".join(f"{what}: {count}" for what, count in sorted(answers.items())))
    figures.put(f"F23 {how}: wrong ones", len(wrong))
    assert not wrong, f"{len(wrong)} wrong answers of {answers}: {wrong[:3]}"


BAD_VECTORS = {
    "too short": np.ones(63, dtype=np.float32),
    "too long": np.ones(65, dtype=np.float32),
    "zero": np.zeros(64, dtype=np.float32),
    "not a number": np.full(64, np.nan, dtype=np.float32),
    "infinite": np.full(64, np.inf, dtype=np.float32),
}


@pytest.mark.parametrize("vector", BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_vector_that_would_never_be_found_is_refused(redis_pair: RedisPair, vector: np.ndarray) -> None:
    with bench(redis_pair) as here:
        here.sound.put([(1, 1)])
        here.sound.drain()
        workshop = here.sound.workshop
        head = DocumentHead(1 << 52, 1, 0, True, 0, "hash", "doc/2", "", "", "", "text", {}, 0)
        with pytest.raises((InvalidInput, ValueError)):
            workshop.services.index.write(workshop.collection, head, [Chunk(0, "words", 0, 5, "", None, vector)])
        assert shelves.read(workshop.services.index_client, workshop.collection.id).failures == 0
        here.sound.settle()
        here.check()


def test_another_model_writes_nothing_and_finds_nothing(redis_pair: RedisPair) -> None:
    """The worker's or the web server's model is another than the collection's: documents fail, searches say why."""
    with bench(redis_pair) as here:
        here.sound.put([(1, 1)])
        here.sound.drain()
        services, collection = here.sound.services, here.sound.workshop.collection
        ledger, record = services.ledger_client, str(to_record(collection).key())
        assert ledger.hset(record, "fingerprint", "f" * 64) == 0, "the record has another name or shape now"
        here.sound.put([(2, 1)])
        here.sound.drain()
        other = services.collections.by_id(collection.id)
        assert other is not None
        assert other.fingerprint == "f" * 64
        with pytest.raises(Conflict) as refusal:
            services.search.search(other, SearchRequest("words"))
        assert refusal.value.code == "model-mismatch"
        services.index.drop(other)
        ledger.hset(record, "fingerprint", collection.fingerprint)
        shelf = shelves.read(services.index_client, collection.id)
        assert shelf.failures == 0
        assert len(shelf.chunks) == 1, "chunks of a model that is not the collection's"
        services.ledger.retry(collection.id)
        here.sound.settle()
        here.check()
