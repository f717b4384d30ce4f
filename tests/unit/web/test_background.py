"""The doorbell's and the warm-up's threads: they never raise into a request, and they end."""

from __future__ import annotations

import logging
import threading

import pytest

from services.errors import ModelError, NearfieldError, Unavailable
from web import warmup as warmup_module
from web.doorbell import ThreadedDoorbell
from web.warmup import ModelState, Warmup

LIMIT_S = 30.0


class Broker:
    """Records what it was sent; may hold a message until it is let go, or fail."""

    def __init__(self, *, fail: bool = False, hold: bool = False) -> None:
        self.sent: list[tuple[str, str]] = []
        self.arrived = threading.Semaphore(0)
        self.go = threading.Event()
        self._fail = fail
        if not hold:
            self.go.set()

    def send(self, task: str, collection_id: str) -> None:
        self.sent.append((task, collection_id))
        self.arrived.release()
        assert self.go.wait(LIMIT_S)
        if self._fail:
            raise ConnectionError("the broker is away")


def test_a_ring_is_sent_by_another_thread_and_equal_ones_melt_together() -> None:
    broker = Broker(hold=True)
    bell = ThreadedDoorbell(broker.send)
    bell.ring("a")
    assert broker.arrived.acquire(timeout=LIMIT_S)  # the thread holds "a"; what follows waits
    for _ in range(100):
        bell.ring("b")
    bell.purge("b")
    broker.go.set()
    for _ in range(2):
        assert broker.arrived.acquire(timeout=LIMIT_S)
    bell.close()
    assert broker.sent == [("nearfield.drain", "a"), ("nearfield.drain", "b"), ("nearfield.purge", "b")]


def test_a_broker_that_fails_is_not_the_caller_s_business(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(fail=True)
    bell = ThreadedDoorbell(broker.send)
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b"):
            bell.ring(name)
            assert broker.arrived.acquire(timeout=LIMIT_S)
        bell.close()
    assert "was not heard (ConnectionError)" in caplog.text


def test_closing_ends_the_thread_and_later_rings_do_nothing() -> None:
    before = threading.active_count()
    broker = Broker()
    bell = ThreadedDoorbell(broker.send)
    bell.ring("a")
    assert broker.arrived.acquire(timeout=LIMIT_S)
    bell.close()
    bell.ring("b")
    assert threading.active_count() == before
    assert broker.sent == [("nearfield.drain", "a")]


def test_a_search_waits_for_the_model_and_goes_on() -> None:
    loaded = threading.Event()
    warmup = Warmup(lambda: loaded.wait(LIMIT_S), "m")
    warmup.wait(0.0)  # nothing was asked to warm up: nothing to wait for
    warmup.start()
    assert warmup.state is ModelState.LOADING
    with pytest.raises(Unavailable) as caught:
        warmup.wait(0.01)
    assert caught.value.code == "model-loading"
    loaded.set()
    warmup.wait(LIMIT_S)
    assert (warmup.state, warmup.detail) == (ModelState.READY, "")


@pytest.mark.parametrize("error", [ModelError("the files changed; install them again"), ZeroDivisionError("inside")])
def test_a_model_that_fails_is_named_and_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup_module, "RETRY_S", 0.05)
    repaired = threading.Event()

    def load() -> None:
        if not repaired.is_set():
            raise error

    warmup = Warmup(load, "m")
    warmup.start()
    with pytest.raises(NearfieldError) as caught:
        warmup.wait(LIMIT_S)
    assert warmup.state is ModelState.FAILED
    assert warmup.detail == caught.value.message
    assert "inside" not in warmup.detail
    repaired.set()
    assert warmup._ready.wait(LIMIT_S)
    warmup.wait(0.0)
    warmup.stop()


def test_stopping_ends_the_retries() -> None:
    def load() -> None:
        raise ModelError("no")

    warmup = Warmup(load, "m")
    warmup.start()
    with pytest.raises(ModelError):
        warmup.wait(LIMIT_S)
    warmup.stop()
    assert warmup._thread is not None
    warmup._thread.join(LIMIT_S)
    assert not warmup._thread.is_alive()
