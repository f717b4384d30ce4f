"""Real collector, web server and worker: a folder and a sitemap are followed, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.redis_clients import BULK, connect
from services.sources.store import SourceStore
from tests.conftest import RedisPair
from tests.processes import Product, wait_until
from tests.sites import Page, Site, running_site

SOURCES = "/api/v1/collections/docs/sources"
MOST_MEMORY_KB = 120_000


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


@pytest.fixture
def product(redis_pair: RedisPair, tmp_path: Path, site: Site) -> Iterator[Product]:
    watched = tmp_path / "watched"
    watched.mkdir()
    settings = {
        "NEARFIELD_SOURCE_FOLDERS": str(watched),
        "NEARFIELD_SOURCE_SCAN_S": "1",
        "NEARFIELD_FETCH_ALLOW_CIDRS": "127.0.0.1/32",
        "NEARFIELD_FETCH_PORTS": f"80,443,{site.port}",
        "NEARFIELD_FETCH_PAUSE_MS": "0",
    }
    made = Product(redis_pair, tmp_path, settings)
    made.start()
    made.collector.start()
    yield made
    made.stop()


def ids(product: Product) -> set[str]:
    _, page = product.call("GET", "/api/v1/collections/docs/documents?state=ready&limit=100")
    return {item["id"] for item in page.get("items", [])}


def source(product: Product, name: str) -> dict[str, Any]:
    return product.call("GET", f"{SOURCES}/{name}")[1]


def test_folder_and_sitemap_are_followed_by_real_processes(product: Product, site: Site, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    (watched / "a.txt").write_text("about tea")
    (watched / "b.txt").write_text("about coffee")
    for name in ("x", "y"):
        site.page(f"/{name}", f"<html><title>{name}</title><body><p>The page called {name}.</p></body></html>")
    locations = "".join(f"<url><loc>{site.url}/{name}</loc></url>" for name in ("x", "y"))
    site.page("/sitemap.xml", f"<urlset>{locations}</urlset>")
    site.pages["/slow"] = lambda connection: time.sleep(5)  # must keep nothing else from being followed
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    status, made = product.call("POST", SOURCES, {"location": f"{site.url}/slow"})
    assert (status, made["state"], made["kind"]) == (201, "waiting", "url")
    status, made = product.call("POST", SOURCES, {"location": str(watched), "name": "files"})
    assert (status, made["kind"]) == (201, "folder")
    assert product.call("POST", SOURCES, {"location": str(watched), "name": "files"})[0] == 409
    status, made = product.call("POST", SOURCES, {"location": f"{site.url}/sitemap.xml", "name": "site"})
    assert (status, made["kind"], made["every_s"]) == (201, "sitemap", 86_400)
    pages = {f"{site.url}/x", f"{site.url}/y"}
    wait_until(lambda: ids(product) == {"files/a.txt", "files/b.txt", *pages}, lambda_tail(product))

    assert product.collector.process is not None
    memory = Path(f"/proc/{product.collector.process.pid}/status").read_text()
    assert int(memory.partition("VmRSS:")[2].split()[0]) < MOST_MEMORY_KB
    product.collector.kill()  # another one takes over within the lease
    (watched / "a.txt").rename(watched / "c.txt")
    product.collector.start()
    wait_until(lambda: ids(product) == {"files/c.txt", "files/b.txt", *pages}, lambda_tail(product))

    site.pages["/sitemap.xml"] = Page(f"<urlset><url><loc>{site.url}/y</loc></url></urlset>".encode())
    before = source(product, "site")["last_sync_at"]
    assert product.call("POST", f"{SOURCES}/site/sync")[0] == 202
    wait_until(lambda: source(product, "site")["last_sync_at"] != before, lambda_tail(product))
    wait_until(lambda: ids(product) == {"files/c.txt", "files/b.txt", f"{site.url}/y"}, lambda_tail(product))
    assert product.call("DELETE", f"{SOURCES}/files?documents=delete")[0] == 202
    wait_until(lambda: ids(product) == {f"{site.url}/y"}, lambda_tail(product))
    wait_until(lambda: product.call("GET", f"{SOURCES}/files")[0] == 404, lambda_tail(product))
    product.collector.kill(signal.SIGTERM)
    assert product.collector.process.returncode == 0


def lambda_tail(product: Product) -> str:
    """What is waited for, with the collector's log so far."""
    return f"the sources as they are\n{product.collector.tail()}" if product.collector.log.exists() else "the sources"


def test_one_of_two_collectors_acts(redis_pair: RedisPair) -> None:
    client = connect(redis_pair.ledger.url, BULK)
    store = SourceStore(client)
    assert store.take_lease("one", 300)
    assert store.take_lease("one", 300)
    assert not store.take_lease("two", 300)
    wait_until(lambda: store.take_lease("two", 60_000), "the lease's end", 10)
    store.give_lease_back("one")
    assert not store.take_lease("one", 300)
    store.give_lease_back("two")
    assert store.take_lease("one", 300)
    client.close()


def test_the_collector_brings_no_model_and_no_web_server(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from services.settings import load_settings\n"
        "from workers.collector import build_collector\n"
        "from workers.heartbeat import Heartbeat\n"
        "urls = {'ledger_url': 'unix:///nowhere/a', 'index_url': 'unix:///nowhere/b'}\n"
        f"build_collector(load_settings({{}}, data_dir=Path({str(tmp_path)!r}), **urls), Heartbeat(None))\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'flask', 'waitress'} & set(sys.modules)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEARFIELD_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "[]", done.stderr
