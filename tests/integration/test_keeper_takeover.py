"""Two keepers as processes: one acts; when it is killed the other takes over (F28). A flushed index heals (F23)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ids import index_name
from services.ledger import keys
from services.redis_clients import BULK, connect
from tests.conftest import RedisPair
from tests.processes import Product, ProductProcess, wait_until

TAKE_OVER_S = 30.0
DOCUMENTS = 40


@pytest.fixture
def product(private_redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    product = Product(private_redis_pair, tmp_path)
    product.start()
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    body = [{"id": f"d{number}", "text": f"words about subject {number}"} for number in range(DOCUMENTS)]
    assert product.call("POST", "/api/v1/collections/docs/documents", body)[0] == 202
    wait_until(lambda: standing(product)[0] == DOCUMENTS, f"indexed\n{product.worker.tail()}")
    yield product
    product.stop()


def standing(product: Product) -> tuple[int, object]:
    _, found = product.call("GET", "/api/v1/collections/docs")
    return found.get("searchable", -1), found.get("rebuilding")


def search(product: Product) -> tuple[int, list[str], bool]:
    status, answer = product.call("GET", "/api/v1/collections/docs/search?q=words+about+subject+7&limit=50")
    return status, [hit["id"] for hit in answer.get("hits", [])], bool(answer.get("complete"))


def test_when_a_keeper_is_killed_the_other_takes_over(product: Product, tmp_path: Path) -> None:
    client = connect(product.pair.ledger.url, BULK)
    other = ProductProcess(
        "workers.keeper",
        ["--heartbeat", str(tmp_path / "run/other")],
        product.keeper.environment,
        tmp_path / "other.log",
    )
    other.start()
    owners: set[bytes] = set()
    try:

        def both_act() -> bool:
            owners.add(client.get(keys.KEEPER_LOCK) or b"")
            return len(owners - {b""}) == 2

        wait_until(both_act, "both take turns", pause_s=0.002)
        product.worker.kill()  # what it held must be given back by whichever keeper is left
        late = {"id": "late", "text": "late words"}
        assert product.call("POST", "/api/v1/collections/docs/documents", late)[0] == 202
        product.keeper.kill()
        began = time.monotonic()
        client.set(keys.KEEPER_LOCK, "of-the-killed-one", px=10_000)  # as if it had died in the middle of a sweep
        wait_until(lambda: client.get(keys.KEEPER_LOCK) not in (None, b"of-the-killed-one"), "the other keeper acts")
        assert time.monotonic() - began < TAKE_OVER_S
        product.worker.start()
        wait_until(lambda: standing(product)[0] == DOCUMENTS + 1, f"the late one is in\n{other.tail()}")
    finally:
        other.kill()
        client.close()
    _, ids, _ = search(product)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("fault", ["drop", "flush"])
def test_an_index_that_is_dropped_or_flushed_is_told_and_heals(product: Product, fault: str) -> None:
    client = connect(product.pair.index.url, BULK)
    _, found = product.call("GET", "/api/v1/collections/docs")
    if fault == "flush":
        client.flushdb()
    else:
        for name in client.execute_command("FT._LIST"):
            client.execute_command("FT.DROPINDEX", name)
    seen: list[tuple[int, bool]] = []

    def healed() -> bool:
        status, ids, complete = search(product)
        seen.append((status, complete))
        assert status in (200, 503)
        assert status == 503 or ids or not complete, "nothing found, and it is called complete"
        return status == 200 and complete and len(ids) == DOCUMENTS

    wait_until(healed, f"the index is whole again\n{product.keeper.tail()}", pause_s=0.02)
    assert seen[0][0] == 503
    assert standing(product) == (DOCUMENTS, None)
    assert client.execute_command("FT._LIST") == [index_name(found["id"], 1, found["fingerprint"]).encode()]
    client.close()
