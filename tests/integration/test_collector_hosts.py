"""Which sources the collector gives a thread to: a slow host holds up its own sources and no others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.sources.collector import WEB_THREADS, Collector
from tests.conftest import RedisPair
from tests.integration.source_tools import Follower, make_follower
from tests.processes import wait_until
from tests.sites import Names, Site, make_fetcher, running_site


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


@pytest.fixture
def follower(redis_pair: RedisPair, tmp_path: Path, site: Site) -> Iterator[Follower]:
    names = Names(slow_example=[["127.0.0.1"]], quick_example=[["127.0.0.1"]])
    fetcher = make_fetcher(tmp_path / "incoming", site.port, names=names, timeout_s=20)
    with make_follower(redis_pair, tmp_path, fetcher=fetcher) as made:
        yield made


def test_a_slow_host_keeps_one_thread_only(follower: Follower, site: Site) -> None:
    release = threading.Event()

    def silent(_: socket.socket) -> None:
        release.wait(15)

    for number in range(WEB_THREADS + 1):
        site.pages[f"/slow{number}"] = silent
        follower.add(f"http://slow.example:{site.port}/slow{number}", name=f"slow{number}")
    site.page("/quick", "<p>some words that are quick</p>")
    follower.add(f"http://quick.example:{site.port}/quick", name="quick")
    collector = Collector(follower.means)
    with ExitStack() as stack:
        stack.callback(collector.close)
        stack.callback(release.set)

        def done() -> bool:
            collector.turn()
            return follower.followed("quick").status.state == "idle"

        wait_until(done, "the quick one is looked at while the slow ones wait")
        assert not release.is_set()
        for _ in range(3):
            collector.turn()
        assert len([request for request in site.requests if request.path.startswith("/slow")]) == 1
