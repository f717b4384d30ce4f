"""Workers and keeper as real processes: what they promise when they are killed, stopped and fed nonsense."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.doorbell import BELL_QUEUE
from services.ingest.values import FileInput, TextInput
from services.ledger.values import DocumentState
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import Workshop, make_workshop
from tests.integration.poison_worker import POISON
from tests.processes import Product, ProductProcess, wait_until
from workers.app import make_app
from workers.doorbell import CeleryDoorbell


@dataclass
class Plant:
    """A workshop whose work is done by processes."""

    shop: Workshop
    product: Product
    worker: ProductProcess

    def add(self, *ids: str, media_type: str = "text/plain", ring: bool = True) -> None:
        documents = [TextInput(id, f"words about {id} " * 20, media_type=media_type) for id in ids]
        answer = self.shop.services.acceptor.add_texts(self.shop.collection, documents)
        if ring and answer.ring:
            self.ring()

    def ring(self) -> None:
        CeleryDoorbell(make_app(self.product.pair.ledger.url)).ring(self.shop.collection.id)

    def ready(self) -> int:
        return self.shop.services.ledger.counts(self.shop.collection.id).documents["ready"]

    def settled(self) -> bool:
        """Restarts the worker as a supervisor would, and tells whether nothing is open."""
        self.worker.restart_if_dead()
        return self.shop.services.ledger.in_flight(self.shop.collection.id) == 0


@pytest.fixture
def plant(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Plant]:
    product = Product(redis_pair, tmp_path)
    made = Plant(make_workshop(redis_pair, tmp_path / "data"), product, product.worker)
    yield made
    made.worker.kill()
    product.stop()


def test_documents_become_searchable(plant: Plant) -> None:
    plant.add("early")  # its bell waits in the queue until a worker comes
    plant.worker.start()
    wait_until(lambda: plant.ready() == 1, "the first document is ready")
    plant.add(*(f"d{n}" for n in range(50)))
    wait_until(lambda: plant.ready() == 51, "all documents are ready")
    assert plant.shop.search("d7")[0].passage.text.startswith("words about d7")
    assert plant.shop.services.ledger_client.llen(BELL_QUEUE) == 0
    assert not plant.shop.services.ledger_client.exists("unacked"), "nothing is kept of a bell that was answered"


def test_the_heartbeat_is_there_while_the_worker_is(plant: Plant) -> None:
    beat = plant.product.folder / "run" / "worker"
    plant.worker.start()
    wait_until(beat.exists, "the worker beats")
    assert plant.worker.process is not None
    assert json.loads(beat.read_text())["pid"] == plant.worker.process.pid
    plant.add("a")
    wait_until(lambda: json.loads(beat.read_text())["counter"] > 2, "work is progress")
    wait_until(lambda: not json.loads(beat.read_text())["busy"], "then it is idle")
    plant.worker.kill(signal.SIGTERM)
    assert plant.worker.process.returncode == 0, plant.worker.tail()
    assert not beat.exists()


def test_a_stop_is_felt_within_a_slice(plant: Plant) -> None:
    plant.worker.start()
    plant.add(*(f"d{n}" for n in range(1000)))
    wait_until(plant.ready, "work has begun")
    plant.worker.kill(signal.SIGTERM)
    assert plant.worker.process is not None
    assert plant.worker.process.returncode == 0, plant.worker.tail()
    counts = plant.shop.services.ledger.counts(plant.shop.collection.id)
    assert counts.documents["processing"] == 0, "nothing is left to wait for its lease"
    assert counts.documents["ready"] + counts.documents["pending"] == 1000


def test_killed_workers_lose_and_double_nothing(plant: Plant) -> None:
    plant.product.keeper.start()
    plant.worker.start()
    plant.add(*(f"d{n}" for n in range(400)))
    for level in (20, 120, 250):
        wait_until(lambda level=level: plant.ready() >= level, f"{level} documents ready")  # type: ignore[misc]
        plant.worker.kill()
        plant.worker.start()
    wait_until(plant.settled, "everything is settled")
    assert set(plant.shop.states().values()) == {"ready"}
    info = plant.shop.services.index.info(plant.shop.collection)
    assert (info.documents, info.chunks) == (400, 400)


def test_a_document_that_kills_its_worker_fails_alone(plant: Plant) -> None:
    process = plant.worker
    plant.worker = ProductProcess(
        "tests.integration.poison_worker", process.arguments, process.environment, process.log
    )
    plant.product.keeper.start()
    plant.shop.services.acceptor.add_texts(plant.shop.collection, [TextInput("poison", POISON)])
    plant.add("a", "b", "c")
    file = FileInput("d.txt", b"a file beside it")
    plant.shop.services.acceptor.add_files(plant.shop.collection, [file])
    plant.ring()
    wait_until(plant.settled, "everything is settled")
    record = plant.shop.record("poison")
    assert (record.state, record.error_code, record.attempts) == (DocumentState.FAILED, "worker-died", 3)
    assert sorted(plant.shop.states().values()) == ["failed", "ready", "ready", "ready", "ready"]
    plant.worker.kill()


def test_a_bell_that_nobody_heard_is_rung_by_the_keeper(plant: Plant) -> None:
    plant.worker.start()
    plant.product.keeper.start()
    plant.add("a", ring=False)
    wait_until(lambda: plant.ready() == 1, "the document is ready")
    plant.product.keeper.kill(signal.SIGTERM)
    assert plant.product.keeper.process is not None
    assert plant.product.keeper.process.returncode == 0, plant.product.keeper.tail()


def test_keeper_and_worker_outlive_their_stores(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    """The worker may be started again (Celery leaves in some broker crashes); the keeper stays."""
    product = Product(private_redis_pair, tmp_path)
    plant = Plant(make_workshop(private_redis_pair, tmp_path / "data"), product, product.worker)
    try:
        product.keeper.start()
        plant.worker.start()
        plant.add("before")
        wait_until(lambda: plant.ready() == 1, "the first document is ready")
        for server in (private_redis_pair.ledger, private_redis_pair.index):
            server.kill()
            plant.worker.restart_if_dead()
            server.start()
        plant.add("after", ring=False)
        wait_until(lambda: plant.settled() and plant.ready() == 2, "the second document is ready")
        assert product.keeper.process is not None
        assert product.keeper.process.poll() is None, product.keeper.tail()
    finally:
        product.stop()


def test_nonsense_in_the_queue_costs_a_restart_at_most(plant: Plant) -> None:
    for nonsense in (b"no json", b'{"body": "??"}', b"\xff\xfe"):
        plant.shop.services.ledger_client.lpush(BELL_QUEUE, nonsense)
    app = make_app(plant.product.pair.ledger.url)
    app.send_task("nearfield.unknown", queue=BELL_QUEUE, ignore_result=True)
    app.send_task("nearfield.drain", kwargs={"collection_id": "gone", "version": 1}, queue=BELL_QUEUE)
    app.send_task("nearfield.drain", kwargs={"collection_id": "x", "version": 99}, queue=BELL_QUEUE)
    app.send_task("nearfield.drain", kwargs={"what": 1}, queue=BELL_QUEUE)
    plant.add("a")
    plant.worker.start()
    wait_until(lambda: plant.settled() and plant.ready() == 1, "the document is ready")


def test_a_deleted_collection_is_cleared_by_the_worker(plant: Plant) -> None:
    plant.worker.start()
    plant.add("a")
    wait_until(lambda: plant.ready() == 1, "the document is ready")
    plant.shop.services.collections.delete("docs")
    CeleryDoorbell(make_app(plant.product.pair.ledger.url)).purge(plant.shop.collection.id)
    wait_until(lambda: not plant.shop.services.collections.deleted_ids(), "the collection is cleared")


@pytest.mark.parametrize("module", ["workers.main", "workers.keeper"])
def test_a_bad_setting_is_told_and_ends_the_process(module: str) -> None:
    environment = {"PATH": "/usr/bin", "NEARFIELD_LEASE_MS": "soon"}
    ended = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert "NEARFIELD_LEASE_MS" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_keeper_needs_no_model_library() -> None:
    check = "import sys, workers.keeper; sys.exit('torch' in sys.modules or 'sentence_transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], timeout=120, check=False).returncode == 0
