"""F4, F5: the machine loses power. The index loses the last second of its log, the ledger what it had not synced."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.redis_clients import BULK, connect
from tests.conftest import RedisPair
from tests.faults.harness import aof, figures, plan
from tests.faults.harness.bench import Actor, Bench, bench
from tests.faults.harness.plan import Size, size
from tests.faults.harness.rig import Rig, Workload, on_schedule, rig
from tests.processes import wait_until

LONG_S = 7200
CUT_S = 1.0


def cut_index(here: Rig, sizes: aof.Sizes, lost: list[int]) -> None:
    """The index server dies, and with it what it wrote in the last second."""
    server = here.product.pair.index
    moment = time.monotonic() - CUT_S
    here.kill_server(server, 0.0, before=lambda: lost.append(aof.cut(aof.log_of(server), sizes.at(moment))))


def trace_ledger(here: Rig, synced: aof.Synced, strace: str) -> int:
    """Starts the ledger's server again under strace; returns how long its log was by then."""
    server = here.product.pair.ledger
    server.kill()
    server.prefix = synced.prefix(strace)
    before = aof.log_of(server).stat().st_size
    synced.begin()
    server.start()
    return before


def cut_ledger(here: Rig, synced: aof.Synced, before: int, lost: list[int]) -> int:
    """The ledger's server dies, and with it what no fsync had covered; returns the length of its log by then."""
    server, client = here.product.pair.ledger, connect(here.product.pair.ledger.url, BULK)
    pid = int(client.info("server")["process_id"])
    client.close()
    assert server.process is not None
    os.kill(pid, signal.SIGKILL)  # the tracer ends by itself and has written all it saw
    server.process.wait(30)
    server.process = None
    log = aof.log_of(server)
    lost.append(aof.cut(log, synced.bytes_synced(log, before)))
    before = log.stat().st_size
    synced.begin()
    server.start()
    here.faults.append(f"ledger cut by {lost[-1]} bytes")
    here.clocks.server_killed(server)
    return before


@pytest.mark.timeout(LONG_S)
def test_nothing_is_lost_when_the_index_loses_its_last_second(private_redis_pair: RedisPair) -> None:
    much = size(Size(400, 4), Size(5_000, 20))
    sizes, lost = aof.Sizes(private_redis_pair.index), []
    try:
        with rig(private_redis_pair) as here:
            work = Workload(here, much.documents, plan.dice("R3 workload"))
            here.poll(may_lose=True)
            work.start()
            faults: list[Callable[[], None]] = [lambda: cut_index(here, sizes, lost)] * much.faults
            on_schedule(here, work, faults, plan.dice("R3 marks"))
            here.judge("R3 index", may_leave=True)
    finally:
        sizes.close()
    figures.put("R3 index: bytes of its log lost", sum(lost))
    assert sum(lost) > 0, "no cut lost anything: nothing was shown"


@pytest.mark.timeout(LONG_S)
def test_nothing_is_lost_when_the_ledger_loses_what_was_not_synced(
    private_redis_pair: RedisPair, tmp_path: Path
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace not found; install the package strace")
    much = size(Size(200, 3), Size(5_000, 20))
    synced, lost = aof.Synced(tmp_path / "trace"), []
    with rig(private_redis_pair) as here:
        before = [trace_ledger(here, synced, strace)]
        work = Workload(here, much.documents, plan.dice("R3 ledger workload"))
        here.poll()
        work.start()

        def fault() -> None:
            before[0] = cut_ledger(here, synced, before[0], lost)

        on_schedule(here, work, [fault] * much.faults, plan.dice("R3 ledger marks"))
        here.judge("R3 ledger")
    figures.put("R3 ledger: bytes of its log lost", sum(lost))


def test_whatever_is_missing_at_the_end_of_the_indexs_log_is_made_again(private_redis_pair: RedisPair) -> None:
    """F5: cut by 1 to 400 bytes; a cut inside a transaction takes all of it."""
    tails = range(1, 401, 7) if plan.FULL else plan.dice("F5").sample(range(1, 401), 8)
    server = private_redis_pair.index
    with bench(private_redis_pair) as here:
        for number, tail in enumerate(tails):
            here.sound.put([(number % 5, 1 + number), (7, 50 + number)])
            Actor.drain(here.sound)
            server.kill()
            log = aof.log_of(server)
            aof.cut(log, log.stat().st_size - tail)
            server.start()
            here.sound.settle()
            here.check(may_leave=True)
            _log_is_whole(here)
    figures.put("F5: tails cut off", len(tails))


def _log_is_whole(here: Bench) -> None:
    """Another restart, long after the repair, brings nothing back of what was cut in half."""
    server, client = here.pair.index, here.sound.services.index_client
    wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the log written anew")
    server.kill()
    server.start()
    here.sound.settle()
    here.check(may_leave=True)
