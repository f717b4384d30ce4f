from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.processes import wait_until
from workers.hearing import PATIENCE_LOOKS, Hearing


@dataclass
class Worker:
    """What a worker looks like from the outside."""

    bells: int = 0
    steps: int = 0
    busy: bool = False
    ended: list[int] = field(default_factory=list)

    def hearing(self, waiting: Callable[[], int] | None = None) -> Hearing:
        return Hearing(
            waiting=waiting or (lambda: self.bells),
            steps=lambda: self.steps,
            busy=lambda: self.busy,
            end=lambda: self.ended.append(1),
            look_s=0.01,
        )


def looks(hearing: Hearing, count: int = 3 * PATIENCE_LOOKS) -> int | None:
    """After how many looks the worker counts as deaf."""
    return next((number for number in range(1, count + 1) if hearing.look()), None)


def test_bells_that_nobody_takes_are_a_sign() -> None:
    assert looks(Worker(bells=3).hearing()) == PATIENCE_LOOKS + 1


@pytest.mark.parametrize("worker", [Worker(bells=0), Worker(bells=3, busy=True)])
def test_an_idle_or_a_busy_worker_is_not_deaf(worker: Worker) -> None:
    assert looks(worker.hearing()) is None


def test_an_answered_bell_makes_up_for_all_before() -> None:
    worker = Worker(bells=3)
    hearing = worker.hearing()
    for number in range(5 * PATIENCE_LOOKS):
        worker.steps += number % (PATIENCE_LOOKS - 1) == 0
        assert not hearing.look()


def test_a_redis_that_is_away_says_nothing() -> None:
    def away() -> int:
        raise ConnectionError

    assert looks(Worker(bells=3).hearing(away)) is None


def test_a_deaf_worker_is_ended_once() -> None:
    worker = Worker(bells=1)
    hearing = worker.hearing()
    hearing.start()
    wait_until(lambda: worker.ended, "the worker is ended")
    hearing.close()
    assert worker.ended == [1]
