"""F9, F10, F11: a Redis that is slow, that hangs, or that stands behind a bad network. Answers stay honest.

Every answer must be a success or a 503 that says when to come again; a write that was repeated counts once.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from services.redis_clients import BULK, connect
from tests.conftest import RedisPair
from tests.faults.harness import figures, plan
from tests.faults.harness.line import Line, Mode
from tests.faults.harness.rig import Rig, rig
from tests.processes import wait_until

LONG_S = 3600
HELD_S = 6.0 if plan.FULL else 0.7
STOPS_S = (1.0, 10.0, 60.0) if plan.FULL else (1.0, 2.0)
BAD = [mode for mode in Mode if mode is not Mode.PASS]


class Client(threading.Thread):
    """Posts new documents and updates one after the other until it is closed."""

    def __init__(self, here: Rig) -> None:
        super().__init__(daemon=True)
        self._here = here
        self._stop_it = threading.Event()
        self.failure: BaseException | None = None
        self.number = 0

    def run(self) -> None:
        try:
            while not self._stop_it.is_set():
                self._here.put([(self.number, 1), (self.number // 2 + 10_000, self.number + 2)], f"c-{self.number}")
                self.number += 1
                time.sleep(0.02)
        except BaseException as failure:
            self.failure = failure

    def close(self) -> None:
        self._stop_it.set()
        self.join(120)
        assert self.failure is None, self.failure


@contextmanager
def lines(pair: RedisPair) -> Iterator[tuple[Rig, Line, Line]]:
    """The product behind two lines."""
    ledger, index = Line(pair.ledger), Line(pair.index)
    try:
        urls = {"NEARFIELD_LEDGER_URL": ledger.url, "NEARFIELD_INDEX_URL": index.url}
        with rig(pair, settings=urls) as here:
            yield here, ledger, index
    finally:
        ledger.close()
        index.close()


def under(here: Rig, what: str, trouble: Callable[[], None]) -> None:
    """Posts and polls while there is trouble, then checks everything."""
    client = Client(here)
    here.poll()
    client.start()
    try:
        trouble()
    finally:
        client.close()
    here.judge(what)
    statuses: Counter[int] = sum((poller.statuses for poller in here.pollers), Counter())
    figures.put(f"{what}: answers to searches", ", ".join(f"{status}: {n}" for status, n in sorted(statuses.items())))
    figures.put(f"{what}: slowest search, s", max(poller.slowest_s for poller in here.pollers))
    assert statuses[200] > 0
    assert statuses[0] == 0, "searches without any answer"


@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("which", ["ledger", "index"])
def test_a_line_goes_wrong_in_every_way(private_redis_pair: RedisPair, which: str) -> None:
    with lines(private_redis_pair) as (here, ledger, index):
        line = ledger if which == "ledger" else index
        modes = plan.dice(f"F11 {which}").sample(BAD, len(BAD))

        def trouble() -> None:
            for mode in modes:
                line.set(mode)
                here.faults.append(f"{which}: {mode}")
                time.sleep(HELD_S)
                line.set(Mode.PASS)
                time.sleep(HELD_S / 4)

        under(here, f"F11 {which}", trouble)


@pytest.mark.timeout(LONG_S)
def test_a_redis_that_hangs(private_redis_pair: RedisPair) -> None:
    with rig(private_redis_pair) as here:

        def trouble() -> None:
            for stop_s in STOPS_S:
                for server in (private_redis_pair.index, private_redis_pair.ledger):
                    here.faults.append(f"{server.role.name} stopped for {stop_s:g} s")
                    with here.stopped(server):
                        time.sleep(stop_s)
                    wait_until(lambda: here.product.call("GET", "/readyz")[0] == 200, "ready after the stop")

        under(here, "F10", trouble)


@pytest.mark.timeout(LONG_S)
def test_a_redis_that_sleeps(private_redis_pair: RedisPair) -> None:
    for server in (private_redis_pair.ledger, private_redis_pair.index):
        server.kill()
        server.options = ("--enable-debug-command", "yes")
        server.start()
    with rig(private_redis_pair) as here:

        def trouble() -> None:
            for server in (private_redis_pair.index, private_redis_pair.ledger):
                client = connect(server.url, BULK)
                client.execute_command("DEBUG", "SLEEP", 3 if plan.FULL else 1.5)
                client.close()

        under(here, "F9", trouble)
