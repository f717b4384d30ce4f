"""0 of 1,000 accepted documents lost, doubled or half visible over kills of the worker and of both Redis servers.

The schedule is keyed to progress (a fault after the k-th finish), so a seed replays the same faults on any machine:
``NEARFIELD_FAULT_SEED=7 pytest tests/faults/test_kill_schedule.py``. The checker trusts only the client's own journal
of answers with 202 and what search and the index Redis show.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from services.ids import hash_document_id
from services.redis_clients import INTERACTIVE, connect
from tests.conftest import RedisPair
from tests.processes import Product, wait_until

SEED = int(os.environ.get("NEARFIELD_FAULT_SEED", "20261120"))
DOCUMENTS = 1000
UPDATED = 200
WORKER_KILLS = 10
REDIS_KILLS = 3
LONG_WORDS = 600
"""Words of an updated document: three chunks of the hash model, where a new one has one."""


@dataclass
class Journal:
    """What the client was promised, and what the watcher saw: chunk counts by (document, generation)."""

    accepted: dict[str, int] = field(default_factory=dict)
    seen: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    polls: int = 0


@pytest.fixture
def product(private_redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    product = Product(private_redis_pair, tmp_path)
    product.start()
    yield product
    product.stop()


def document(number: int, version: int) -> dict[str, str]:
    words = [f"subject{number}", f"version{version}", *(["filler"] * (LONG_WORDS if version == 2 else 5))]
    return {"id": f"doc/{number}", "title": f"Document {number}", "text": " ".join(words)}


def accept(product: Product, batch: list[dict[str, str]], key: str, journal: Journal) -> None:
    """Posts until an answer with 202 comes, as a client would: same key, so that a retry doubles nothing."""

    def posted() -> bool:
        status, answer = product.call("POST", "/api/v1/collections/docs/documents", batch, {"Idempotency-Key": key})
        if status == 202:
            journal.accepted.update({entry["id"]: entry["generation"] for entry in answer["documents"]})
            return True
        assert status in (0, 503, 507), (status, answer)
        return False

    wait_until(posted, f"batch {key} accepted", pause_s=0.2)


def post_everything(product: Product, journal: Journal, dice: random.Random) -> None:
    numbers = list(range(DOCUMENTS))
    while numbers:
        size = dice.choice((1, 5, 40))
        batch, numbers = numbers[:size], numbers[size:]
        accept(product, [document(number, 1) for number in batch], f"new-{batch[0]}", journal)
        if batch[0] >= DOCUMENTS // 2 and batch[0] % 10 == 0:
            time.sleep(0.02)
    for number in dice.sample(range(DOCUMENTS), UPDATED):
        accept(product, [document(number, 2)], f"update-{number}", journal)


def watch(product: Product, journal: Journal, stop: threading.Event) -> None:
    """Asks the index itself, over and over, which chunks of a document can be found."""
    dice = random.Random(SEED + 1)
    client = connect(product.pair.index.url, INTERACTIVE)
    while not stop.wait(0.02):
        number = dice.randrange(DOCUMENTS)
        try:
            names = client.execute_command("FT._LIST")
            if not names:
                continue
            reply = client.execute_command(
                "FT.SEARCH", names[0], "@d:{$h}", "PARAMS", "2", "h", hash_document_id(f"doc/{number}"),
                "NOCONTENT", "LIMIT", "0", "50", "DIALECT", "2",
            )  # fmt: skip
        except redis.RedisError:
            continue
        journal.polls += 1
        generations = [int(key.split(b":")[-2]) for key in reply[1:]]
        if generations:
            assert len(set(generations)) == 1, f"doc/{number}: generations {set(generations)} visible at once"
            journal.seen[f"doc/{number}", generations[0]].add(len(generations))
    client.close()


def finished(product: Product) -> int:
    """Documents that have reached an end state, as far as the product can tell now."""
    status, collection = product.call("GET", "/api/v1/collections/docs")
    return int(collection.get("searchable", 0)) if status == 200 else -1


def inject(product: Product, dice: random.Random, failures: list[BaseException]) -> list[str]:
    """Kills on schedule; a helper thread restarts what is dead, as the supervisor does."""
    faults = ["worker"] * WORKER_KILLS + ["ledger"] * REDIS_KILLS + ["index"] * REDIS_KILLS
    dice.shuffle(faults)
    marks = sorted(dice.sample(range(20, DOCUMENTS - 60), len(faults)))
    done = []
    for mark, fault in zip(marks, faults, strict=True):
        wait_until(lambda mark=mark: failures or finished(product) >= mark, f"{mark} documents finished", limit_s=120)
        if failures:
            break
        if fault == "worker":
            product.worker.kill()
        else:
            server = getattr(product.pair, fault)
            server.kill()
            time.sleep(dice.choice((0.0, 0.3)))
            server.start()
        done.append(f"{fault}@{mark}")
    return done


def supervise(product: Product, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        for process in product.processes:
            process.restart_if_dead()


def settled(product: Product) -> bool:
    status, collection = product.call("GET", "/api/v1/collections/docs")
    states = collection.get("documents", {})
    return status == 200 and not states.get("pending") and not states.get("processing")


@pytest.mark.timeout(600)
def test_nothing_accepted_is_lost_doubled_or_half_visible(product: Product) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    journal, stop = Journal(), threading.Event()
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    helpers = [
        threading.Thread(target=supervise, args=(product, stop)),
        threading.Thread(target=watch, args=(product, journal, stop)),
    ]
    failures: list[BaseException] = []
    poster = threading.Thread(target=_keep_failure, args=(failures, post_everything, product, journal, dice))
    for thread in (*helpers, poster):
        thread.start()
    try:
        faults = inject(product, random.Random(SEED + 2), failures)
        poster.join()
        wait_until(lambda: settled(product), "everything settled after the last fault", limit_s=120)
    finally:
        stop.set()
        for thread in helpers:
            thread.join()
    assert failures == []
    assert len(faults) == WORKER_KILLS + 2 * REDIS_KILLS
    print(f"faults {faults}; {journal.polls} polls")
    check(product, journal)


def _keep_failure(failures: list[BaseException], target: object, *arguments: object) -> None:
    try:
        target(*arguments)  # type: ignore[operator]
    except BaseException as failure:
        failures.append(failure)
        raise


def check(product: Product, journal: Journal) -> None:
    """Every accepted document is searchable in its last accepted version, once, whole; nothing else is there."""
    assert len(journal.accepted) == DOCUMENTS
    documents = {}
    cursor = ""
    while cursor is not None:
        _, page = product.call("GET", f"/api/v1/collections/docs/documents?limit=100&cursor={cursor}")
        for entry in page["items"]:
            assert entry["id"] not in documents, f"{entry['id']} listed twice"
            documents[entry["id"]] = entry
        cursor = page["next_cursor"]
    assert documents.keys() == journal.accepted.keys()
    wrong = [
        (entry["id"], entry["state"], entry["error"])
        for entry in documents.values()
        if entry["state"] != "ready" or entry["visible_generation"] != journal.accepted[entry["id"]]
    ]
    assert wrong == []
    check_index(product, documents, journal)


def check_index(product: Product, documents: dict[str, dict[str, object]], journal: Journal) -> None:
    client = connect(product.pair.index.url, INTERACTIVE)
    found: dict[str, list[int]] = defaultdict(list)
    for key in client.scan_iter(match="nf:c:*:{*", count=1000):
        *_, hashed, generation, _ = key.decode().split(":")
        found[hashed.strip("{}")].append(int(generation))
    client.close()
    expected = {hash_document_id(str(entry["id"])): entry for entry in documents.values()}
    assert found.keys() == expected.keys()
    for hashed, generations in found.items():
        entry = expected[hashed]
        assert generations == [entry["visible_generation"]] * int(str(entry["chunks"])), entry["id"]
    sizes = {int(str(entry["chunks"])) for entry in documents.values()}
    assert len(sizes) == 2, "an updated document must differ in chunks from a new one, or the watcher proves nothing"
    for (identity, generation), counts in journal.seen.items():
        assert len(counts) == 1, f"{identity} generation {generation} was seen with {counts} chunks"
        assert counts <= sizes, f"{identity} generation {generation} was seen with {counts} of {sizes} chunks"
