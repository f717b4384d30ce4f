"""When something runs out: disk under the servers, disk under uploads, memory of a server, file descriptors.

New work is refused with a reason before anything breaks, searches go on, nothing accepted is lost, and all goes on by
itself once there is room. Small disks are tmpfs mounts, which only root may make; without it those tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.ingest.pipeline.drain import IngestPipeline
from services.redis_clients import BULK, Client, connect
from tests.apiapp import make_api
from tests.conftest import RedisPair, RunningRedis
from tests.integration.upload_tools import at_once, left_behind, open_files, upload
from tests.processes import Product, wait_until

MIB = 1024 * 1024
RESUME_S = 60.0  # the promise is 30 s on a machine of its own
DOCUMENTS = "/api/v1/collections/docs/documents"
FULL = bool(os.environ.get("FAULTS_FULL"))
long = pytest.mark.skipif(not FULL, reason="long; set FAULTS_FULL=1")


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A disk of its own at ``folder``."""
    if os.geteuid() != 0:
        pytest.skip("not root: no small disk can be mounted")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes what is free on a disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


@contextmanager
def running(pair: RedisPair, folder: Path, **settings: str) -> Iterator[Product]:
    product = Product(pair, folder, {f"NEARFIELD_{name}": value for name, value in settings.items()})
    product.start()
    try:
        assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
        yield product
    finally:
        product.stop()


@contextmanager
def client_of(server: RunningRedis) -> Iterator[Client]:
    client = connect(server.url, BULK)
    try:
        yield client
    finally:
        client.close()


def add(product: Product, name: str, text: str = "tea in the garden") -> tuple[int, dict[str, Any]]:
    return product.call("POST", DOCUMENTS, {"id": name, "text": f"{text} {name}"})


def states(product: Product) -> Counter[str]:
    found = product.call("GET", "/api/v1/collections/docs")[1]
    return Counter(found.get("documents", {}))


def ingestion(product: Product) -> dict[str, Any]:
    found = product.call("GET", "/readyz")[1]
    return dict(found.get("ingestion", {"state": "", "accepting": None}))


def wait_settled(product: Product, total: int) -> None:
    def settled() -> bool:
        for process in product.processes:
            process.restart_if_dead()
        found = states(product)
        return found["ready"] == total and not found["pending"] + found["processing"] + found["failed"]

    wait_until(settled, f"{total} documents ready, not {states(product)}", RESUME_S)


class Searches:
    """Searches all the time and counts what is not answered."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._stop = threading.Event()
        self.statuses: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Searches:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            self.statuses[self._product.call("POST", "/api/v1/collections/docs/search", {"query": "tea"})[0]] += 1


def limit_memory(client: Client, over: int) -> None:
    """Sets a server's limit to a little above what it uses: more than nine tenths are then used."""
    used = int(client.info("memory")["used_memory"])
    client.config_set("maxmemory", used + over)


@pytest.mark.parametrize("role", ["index", pytest.param("ledger", marks=long)])
def test_a_server_without_memory_refuses_and_loses_nothing(redis_pair: RedisPair, tmp_path: Path, role: str) -> None:
    """F12: uploads 507, searches answered; what waits keeps its attempts and goes on when the limit is raised."""
    server: RunningRedis = getattr(redis_pair, role)
    with running(redis_pair, tmp_path) as product, client_of(server) as client:
        for number in range(20):
            assert add(product, f"d{number}")[0] == 202
        wait_settled(product, 20)
        try:
            product.worker.kill()
            for number in range(20, 40):
                assert add(product, f"d{number}")[0] == 202
            limit_memory(client, 50_000)
            wait_until(lambda: add(product, "late")[0] == 507, "uploads refused")
            product.worker.start()
            with Searches(product) as searches:
                status, told = add(product, "late")
                assert (status, told["code"]) == (507, "storage-full")
                assert f"{role} Redis" in told["detail"]
                wait_until(lambda: ingestion(product)["accepting"] is False, "the mark is seen", 20)
                found = ingestion(product)
                assert found["state"] == ("paused" if role == "index" else "running")
                if role == "index":
                    wait_until(lambda: "no room for more" in product.worker.tail(), "the worker has seen it")
                    assert states(product)["ready"] == 20
                    assert product.call("DELETE", f"{DOCUMENTS}/d0")[0] == 202
                    wait_until(lambda: states(product)["ready"] == 19, "a removal goes on", RESUME_S)
                    assert add(product, "late")[0] == 507
                client.config_set("maxmemory", 1024 * MIB)
                wait_until(lambda: ingestion(product)["accepting"], "work is taken again", RESUME_S)
                assert add(product, "late")[0] == 202
                wait_settled(product, 40 if role == "index" else 41)
            assert set(searches.statuses) == {200}, searches.statuses
            attempts = {found["attempts"] for found in product.call("GET", f"{DOCUMENTS}?limit=100")[1]["items"]}
            assert attempts <= {0, 1}
        finally:
            client.config_set("maxmemory", 1024 * MIB)


def test_a_server_beyond_its_memory_gives_attempts_back(redis_pair: RedisPair, tmp_path: Path) -> None:
    """F12 with no warning: nobody saw the mark, the index itself refuses. Removals are done all the same."""
    with make_api(redis_pair, tmp_path) as api, client_of(redis_pair.index) as client:
        collection_id = api.collection("docs")["id"]
        api.add("docs", [{"id": f"d{number}", "text": f"tea {number}"} for number in range(5)])
        api.drain()
        api.add("docs", [{"id": f"e{number}", "text": f"cups {number}"} for number in range(5)])
        assert api.call("DELETE", "/collections/docs/documents/d0").status_code == 202
        pipeline = IngestPipeline(api.services)
        try:
            client.config_set("maxmemory", int(client.info("memory")["used_memory"]) // 2)
            assert pipeline.drain(collection_id).failed == 0

            def items() -> dict[str, dict[str, Any]]:
                answer = api.call("GET", "/collections/docs/documents").get_json()
                return {item["id"]: item for item in answer["items"]}

            def removed() -> bool:
                pipeline.drain(collection_id, 0.2, removals_only=True)
                return "d0" not in items()

            wait_until(removed, f"the removal is done, not {items().get('d0')}", 20)
            found = items()
            waiting = [found[f"e{number}"] for number in range(5)]
            assert {(item["state"], item["attempts"]) for item in waiting} == {("pending", 0)}
        finally:
            client.config_set("maxmemory", 1024 * MIB)
        api.drain()
        assert len(api.call("GET", "/collections/docs/documents?state=ready").get_json()["items"]) == 9


@pytest.mark.parametrize("watched", [True, pytest.param(False, marks=long)], ids=["watched", "unwatched"])
def test_a_full_disk_under_uploads(redis_pair: RedisPair, tmp_path: Path, watched: bool) -> None:
    """F8: 507, nothing half, nothing left; searches go on; work is taken again when there is room."""
    with small_disk(tmp_path / "product" / "data", 160) as disk:
        least = "40" if watched else "0"  # the sandbox takes up to 30 MiB for a moment when it starts
        with running(redis_pair, tmp_path / "product", DISK_FREE_MIN_MB=least) as product:
            port = int(product.port_file.read_text())
            assert add(product, "first")[0] == 202
            wait_settled(product, 1)
            too_much = upload(port, "large.csv", 70 * MIB)  # comes in, and has no room for its copies
            assert (too_much.status, too_much.json["code"]) == (507, "storage-full"), too_much.body
            filler = fill(disk)
            wait_until(lambda: upload(port, "small.txt", 200_000).status == 507, "refused")
            if watched:
                wait_until(
                    lambda: ingestion(product)["state"] == "paused", f"ingestion paused, not {ingestion(product)}", 15
                )
                assert add(product, "second")[0] == 507
                assert "disk" in ingestion(product)["reasons"][0]["detail"]
            assert product.call("POST", "/api/v1/collections/docs/search", {"query": "tea"})[0] == 200
            assert left_behind(disk) == []
            filler.unlink()
            wait_until(lambda: add(product, "second")[0] == 202, "taken again", RESUME_S)
            assert upload(port, "small.txt", 200_000).status == 202
            wait_settled(product, 3)
            assert left_behind(disk) == []


def test_a_full_disk_under_the_index(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    """F7: what the server cannot write is not written; documents wait with their attempts; searches go on."""
    pair = private_redis_pair
    pair.index.kill()
    with small_disk(tmp_path / "disk", 32) as disk:
        home, pair.index.folder = pair.index.folder, disk / "index"
        pair.index.start()
        try:
            with running(pair, tmp_path / "product", DISK_FREE_MIN_MB="4") as product, Searches(product) as searches:
                assert add(product, "first")[0] == 202
                wait_settled(product, 1)
                filler = fill(disk)
                wait_until(lambda: add(product, "late")[0] == 507, "refused")
                assert str(pair.index.folder) in ingestion(product)["reasons"][0]["detail"]
                filler.unlink()
                wait_until(lambda: add(product, "late")[0] == 202, "taken again", RESUME_S)
                wait_settled(product, states(product)["total"])
            assert searches.statuses[200] >= sum(searches.statuses.values()) - 2, searches.statuses
        finally:
            pair.index.kill()
            pair.index.folder = home


def test_no_file_descriptors(redis_pair: RedisPair, tmp_path: Path) -> None:
    """F25: errors while there are too many connections, and all is well without a restart when they have gone."""
    with running(redis_pair, tmp_path) as product:
        for process in (product.web, product.worker):
            assert process.process is not None
            resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        assert product.web.process is not None
        pid, port = product.web.process.pid, int(product.port_file.read_text())
        assert upload(port, "first.txt", 1000).status == 202
        wait_settled(product, 1)
        kept_open = []
        for _ in range(2):
            answers = at_once(60, lambda number: upload(port, f"{number}.txt", 150_000))
            statuses = Counter(answer.status for answer in answers)
            print(f"60 uploads with 64 descriptors: {dict(statuses)}")
            assert set(statuses) <= {0, 202, 503}, product.web.tail()
            wait_until(lambda: product.call("GET", "/readyz")[0] == 200, "ready again", RESUME_S)
            wait_until(lambda: upload(port, "after.txt", 150_000).status == 202, "taken again", RESUME_S)
            kept_open.append(open_files(pid))
        assert kept_open[1] <= kept_open[0] + 8, kept_open  # the pools of connections may still have grown
        assert product.web.process.poll() is None
        wait_settled(product, states(product)["total"])
        assert left_behind(product.folder / "data") == []


def test_the_figures_are_shown(redis_pair: RedisPair, tmp_path: Path) -> None:
    """A shortage is told by the command line and on the collection's page."""
    with running(redis_pair, tmp_path, QUEUE_MAX_DOCUMENTS="3") as product:
        product.worker.kill()
        for number in range(3):
            assert add(product, f"d{number}")[0] == 202
        wait_until(lambda: add(product, "late")[0] == 503, "overloaded")
        assert add(product, "late")[1]["code"] == "overloaded"
        found = ingestion(product)
        assert (found["state"], found["accepting"]) == ("running", False)
        told = status_of(product)
        assert "are waiting; the limit is 3" in told, told
        assert "ingestion goes on" in told
        page = product_page(product, "/c/docs/manage")
        assert "are waiting; the limit is 3" in page
        product.worker.start()
        wait_until(lambda: add(product, "late")[0] == 202, "taken again", RESUME_S)


def status_of(product: Product) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "status"],
        env={**os.environ, "NEARFIELD_URL": product.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def product_page(product: Product, path: str) -> str:
    with urllib.request.urlopen(product.url + path, timeout=60) as answer:
        return str(answer.read().decode())


@long
def test_pressure_that_comes_and_goes(redis_pair: RedisPair, tmp_path: Path) -> None:
    """Ten rounds of filling and raising while documents come in; every accepted one is ready at the end."""
    accepted: set[str] = set()
    with running(redis_pair, tmp_path) as product, client_of(redis_pair.index) as client:

        def send(count: int, tag: str) -> None:
            for number in range(count):
                if add(product, f"{tag}-{number}")[0] == 202:
                    accepted.add(f"{tag}-{number}")

        try:
            for turn in range(10):
                send(50, f"open{turn}")
                limit_memory(client, 100_000)
                send(50, f"tight{turn}")
                client.config_set("maxmemory", 1024 * MIB)
                wait_until(lambda: ingestion(product)["accepting"], "work is taken again", RESUME_S)
            wait_settled(product, len(accepted))
        finally:
            client.config_set("maxmemory", 1024 * MIB)
