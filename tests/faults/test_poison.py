"""R9: poisoned documents end failed, with a reason, soon and after few attempts; their good neighbours are indexed.

Nine kinds of poison (FAULTS F15) through real workers and their fork servers. Short: two of each among 40 good ones,
with less patience of the sandbox. ``FAULTS_FULL=1``: twenty of each among 400, with the product's limits.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.ingest.values import FileInput, TextInput
from services.ledger.values import DocumentRecord
from tests.conftest import RedisPair
from tests.faults.harness import plan
from tests.integration.pipeline_tools import Workshop, make_workshop
from tests.poison import KINDS, media_type, setting
from tests.processes import Product, ProductProcess, wait_until
from tests.unit.ingest.sandbox.tools import descendants
from workers.app import make_app
from workers.doorbell import CeleryDoorbell

EACH, GOOD = (20, 400) if plan.FULL else (2, 40)
MOST_ATTEMPTS, MOST_S = 3, 60.0
CODES = {
    "crash": {"extraction-crashed"},
    "loop": {"extraction-timeout"},
    "memory": {"extraction-memory"},
    "fork": {"processing-failed"},
    "disk": {"processing-failed"},
    "exit": {"extraction-no-result"},
    "recursion": {"extraction-crashed", "extraction-memory", "extraction-timeout"},
    "sleep": {"extraction-timeout"},
    "half": {"processing-failed"},
}
# One document in hand at a time: "processing" then means that it is being read, and not that it waits behind another.
ALONE = {"NEARFIELD_CLAIM_DOCUMENTS": "1"}
SHORT_PATIENCE = {"NEARFIELD_EXTRACT_SILENCE_S": "9", "NEARFIELD_EXTRACT_MEMORY_MB": "512"}


@dataclass
class Ward:
    """Two workers and a keeper; what they were seen to do."""

    shop: Workshop
    product: Product
    workers: list[ProductProcess]
    taken: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    deaths: int = 0

    def watch(self) -> bool:
        """Notes when each document was taken in hand and when it ended; True when nothing is open."""
        now = time.monotonic()
        for worker in self.workers:
            assert worker.process is not None
            if worker.process.poll() is not None:
                self.deaths += 1
                worker.start()
        for id, state in self.shop.states().items():
            if state == "processing":
                self.taken.setdefault(id, now)
            if state == "pending":  # given back unread, because the slice was over
                self.taken.pop(id, None)
            if state in ("ready", "failed"):
                self.ended.setdefault(id, now)
        return self.shop.services.ledger.in_flight(self.shop.collection.id) == 0

    def slowest_s(self) -> float:
        """The longest time that a document was in hand before it ended, as far as it was seen."""
        return max((self.ended[id] - began for id, began in self.taken.items()), default=0.0)

    def records(self, kind: str) -> list[DocumentRecord]:
        return [self.shop.record(f"{kind}-{number}") for number in range(EACH)]


@pytest.fixture
def ward(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Ward]:
    limits = ALONE if plan.FULL else SHORT_PATIENCE
    product = Product(redis_pair, tmp_path, {"NEARFIELD_EXTRACTORS": setting(), **limits})
    shop = make_workshop(redis_pair, tmp_path / "data", extractors=setting())
    second = ProductProcess(
        "workers.main",
        ["--heartbeat", str(tmp_path / "run/second")],
        product.worker.environment,
        tmp_path / "second.log",
    )
    made = Ward(shop, product, [product.worker, second])
    yield made
    second.kill()
    product.stop()


def test_poison_fails_and_harms_nobody(ward: Ward) -> None:
    shop = ward.shop
    poison = [TextInput(f"{kind}-{n}", "x", media_type=media_type(kind)) for kind in KINDS for n in range(EACH)]
    good = [TextInput(f"good-{n}", f"good words, number {n}") for n in range(GOOD // 2)]
    dice = plan.dice("poison")
    mixed = [*poison, *good]
    dice.shuffle(mixed)
    shop.services.acceptor.add_texts(shop.collection, mixed)
    pages = [FileInput(f"good-{n}.html", b"<!doctype html><p>good words of page %d" % n) for n in range(GOOD // 2)]
    shop.services.acceptor.add_files(shop.collection, pages)
    ward.product.keeper.start()
    for worker in ward.workers:
        worker.start()
    began = time.monotonic()
    CeleryDoorbell(make_app(ward.product.pair.ledger.url)).ring(shop.collection.id)
    wait_until(ward.watch, "everything has ended", limit_s=1800 if plan.FULL else 180, pause_s=0.2)

    for kind in KINDS:
        for record in ward.records(kind):
            assert record.state.value == "failed", (record.id, record.state)
            assert record.error_code in CODES[kind], (record.id, record.error_code, record.error)
            assert len(record.error) > 40
            assert record.attempts <= MOST_ATTEMPTS
            assert ("stood still" in record.error) == (kind == "sleep"), "sleepers do not wait for the limit of silence"
    assert Counter(shop.states().values()) == {"failed": 9 * EACH, "ready": GOOD}
    assert ward.deaths == 0, "no worker died"
    assert ward.slowest_s() <= MOST_S, ward.slowest_s()
    for worker in ward.workers:
        assert worker.process is not None
        for pid in descendants(worker.process.pid):
            assert len(descendants(pid)) == 0, "no child of a fork server is left"
    whole_s = max(ward.ended.values()) - began
    print(f"{9 * EACH} poisoned failed, {GOOD} good ready, deaths {ward.deaths}")
    print(f"slowest in hand {ward.slowest_s():.1f} s, all {len(mixed) + len(pages)} after {whole_s:.0f} s")
