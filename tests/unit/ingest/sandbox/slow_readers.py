"""Readers that take their time, honestly: what NEARFIELD_EXTRACTORS is given in the tests of the watch."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.ingest.values import Extracted

Tick = Callable[[], None]
STEPS = 5


def compute(body: bytes, tick: Tick) -> Extracted:
    """Steps of 0.4 s of processor time, each told."""
    for _ in range(STEPS):
        until = time.process_time() + 0.4
        while time.process_time() < until:
            pass
        tick()
    return Extracted("computed")


def wait(body: bytes, tick: Tick) -> Extracted:
    """Steps of 0.4 s of sleep, each told."""
    for _ in range(STEPS):
        time.sleep(0.4)
        tick()
    return Extracted("waited")


def poll(body: bytes, tick: Tick) -> Extracted:
    """Looks for something every tenth of a second for two seconds, and says nothing."""
    until = time.monotonic() + 2
    while time.monotonic() < until:
        time.sleep(0.1)
    return Extracted("polled")


def setting() -> str:
    """What NEARFIELD_EXTRACTORS is set to for all of them."""
    place = "tests.unit.ingest.sandbox.slow_readers"
    return ",".join(f"text/x-poison-{read.__name__}={place}:{read.__name__}" for read in (compute, wait, poll))
