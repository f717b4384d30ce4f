"""The gate looks once a second whoever asks, and never keeps a second asker waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from services.admission.gate import Admission
from services.admission.policy import Gauge, Resource
from services.errors import StorageFull

FULL = Gauge(Resource.DISK, 2.0, "full")


class Readings:
    """What is read, how often, and a wait that a hung server would make."""

    def __init__(self) -> None:
        self.gauges: list[Gauge] = []
        self.reads = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()

    def read(self) -> Iterable[Gauge]:
        self.reads += 1
        self.begun.set()
        assert self.go_on.wait(30)
        return self.gauges


def test_it_looks_once_a_second() -> None:
    readings, now = Readings(), [0.0]
    admission = Admission(readings.read, clock=lambda: now[0])
    for _ in range(50):
        admission.admit()
    assert readings.reads == 1
    readings.gauges = [FULL]
    admission.admit()
    now[0] = 1.0
    with pytest.raises(StorageFull):
        admission.admit()
    assert readings.reads == 2
    assert admission.gauges() == (FULL,)


def test_nobody_waits_for_whoever_looks() -> None:
    readings = Readings()
    readings.go_on.clear()
    admission = Admission(readings.read)
    looker = threading.Thread(target=admission.look)
    looker.start()
    assert readings.begun.wait(30)
    admission.admit()  # would wait for ever
    readings.go_on.set()
    looker.join(30)
    assert readings.reads == 1


def test_a_thread_looks_and_outlives_errors() -> None:
    looked = threading.Semaphore(0)

    def read() -> Iterable[Gauge]:
        looked.release()
        raise RuntimeError("a surprise")

    admission = Admission(read)
    admission.start()
    assert looked.acquire(timeout=30)
    assert looked.acquire(timeout=30)
    assert admission.standing().accepting
    admission.stop()
