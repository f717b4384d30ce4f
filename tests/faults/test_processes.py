"""F2, F13, F28: what works under the worker is killed, the worker is out of memory, there are two keepers or none."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from tests.conftest import RedisPair
from tests.faults.harness import figures, plan, texts
from tests.faults.harness.rig import Rig, rig
from tests.processes import wait_until
from tests.unit.ingest.sandbox.tools import descendants

LONG_S = 1800


def files(here: Rig, first: int, count: int) -> None:
    """Uploads HTML files, which are read in the sandbox."""
    for number in range(first, first + count):
        body = f"<html><body><p>{texts.text(number, 2)}</p></body></html>".encode()
        parts = (
            b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\nfile-%d\r\n' % number
            + b'--b\r\nContent-Disposition: form-data; name="file"; filename="%d.html"\r\n' % number
            + b"Content-Type: text/html\r\n\r\n"
            + body
            + b"\r\n--b--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=b", "Idempotency-Key": f"file-{number}"}
        wait_until(
            lambda: here.product.call("POST", "/api/v1/collections/docs/files", parts, headers)[0] == 202,  # noqa: B023
            f"file {number} accepted",
        )


@pytest.mark.timeout(LONG_S)
def test_what_works_under_the_worker_is_killed(private_redis_pair: RedisPair) -> None:
    """F2: every few documents one of the worker's own children dies; the documents are read again, the worker lives."""
    count, most, killed = (200, 60, 0) if plan.FULL else (30, 5, 0)
    dice = plan.dice("F2")
    with rig(private_redis_pair) as here:
        files(here, 0, count)
        assert here.product.worker.process is not None
        while here.open_documents() != 0:
            below = descendants(here.product.worker.process.pid)
            if below and killed < most:
                try:
                    os.kill(dice.choice(sorted(below)), 9)
                    killed += 1
                except ProcessLookupError:
                    pass
            time.sleep(1.0)
        here.settle()
        states = {entry["id"]: entry for entry in listed(here)}
        restarts = here.supervisor.restarts()
    figures.put("F2: children of the worker killed", killed)
    if not killed:
        pytest.skip("the worker has no children: nothing is read beside it")
    assert len(states) == count
    lost = [entry for entry in states.values() if entry["state"] != "ready" and not entry["error"]]
    assert not lost
    assert restarts == 0, "the worker died with its child"


def listed(here: Rig) -> list[dict[str, object]]:
    found, cursor = [], ""
    while cursor is not None:
        _, page = here.product.call("GET", f"/api/v1/collections/docs/documents?limit=100&cursor={cursor}")
        found += page["items"]
        cursor = page["next_cursor"]
    return found


@pytest.mark.timeout(LONG_S)
def test_a_worker_without_memory_takes_no_neighbours_with_it(private_redis_pair: RedisPair) -> None:
    """F13: the worker may take no more memory than it has; a large text is too much, small ones go on."""
    with rig(private_redis_pair) as here:
        here.put([(0, 1)], "first")
        here.settle()
        process = here.product.worker.process
        assert process is not None
        here.supervisor.leave(here.product.worker)
        size = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(process.pid, resource.RLIMIT_AS, (size + 24 * 1024 * 1024, resource.RLIM_INFINITY))
        large = {"id": "large", "text": "word " * 1_500_000}
        wait_until(
            lambda: here.product.call("POST", "/api/v1/collections/docs/documents", large)[0] == 202, "large accepted"
        )
        here.put([(number, 1) for number in range(1, 20)], "neighbours")
        here.supervisor.add(here.product.worker, here.folder / "run" / "worker")
        here.settle()
        states = {str(entry["id"]): entry for entry in listed(here)}
        assert all(states[texts.name(number)]["state"] == "ready" for number in range(20))
        assert states["large"]["state"] in ("ready", "failed")
        assert states["large"]["state"] == "ready" or states["large"]["error"]
        figures.put("F13: the large document", str(states["large"]["state"]))


@pytest.mark.timeout(LONG_S)
def test_two_keepers_and_none(private_redis_pair: RedisPair) -> None:
    """F28: one of two acts; when it is killed the other takes over; without any, work goes on and waits for one."""
    with rig(private_redis_pair) as here:
        product = here.product
        second = product._process("workers.keeper", [], dict(product.keeper.environment))
        second.start()
        try:
            here.poll()
            for turn in range(3):
                here.put([(turn * 10 + place, 1) for place in range(10)], f"a-{turn}")
                here.kill(product.worker)
                here.kill(product.keeper)
                here.put([(turn * 10 + place, 2) for place in range(5)], f"b-{turn}")
            here.settle()  # what the killed workers held can only be put back by a keeper
            here.supervisor.leave(product.keeper)
            product.keeper.kill()
            second.kill()
            here.put([(number, 3) for number in range(10)], "no-keeper")
            wait_until(lambda: here.open_documents() == 0, "work done without a keeper")
            here.supervisor.add(product.keeper, here.folder / "run" / "keeper")
            here.judge("F28")
        finally:
            second.kill()
