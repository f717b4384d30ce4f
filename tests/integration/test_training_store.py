"""Trainings in the ledger: one worker at a time, three attempts, nothing twice."""

from __future__ import annotations

import time

import pytest

from services.errors import Conflict, NotFound
from services.redis_clients import Client
from services.training.store import ACTIVE_KEY, TrainingStore
from services.training.values import Progress, TrainingState, Wish

WISH = Wish(name="mine", family="tf-idf", collection_id="c1", collection="docs", settings={"dim": 8, "x": True})


@pytest.fixture
def store(ledger_client: Client) -> TrainingStore:
    return TrainingStore(ledger_client)


def test_a_training_is_remembered_as_it_was_asked_for(store: TrainingStore) -> None:
    made = store.create(WISH)
    assert store.get(made.id) == made
    assert (made.wish, made.state, made.attempts) == (WISH, TrainingState.PENDING, 0)
    assert [each.id for each in store.list()] == [made.id]
    assert store.due() == [made.id]
    for unknown in ("nope", "", "a:b", "../x"):
        with pytest.raises(NotFound):
            store.get(unknown)


def test_a_name_is_trained_once_at_a_time(store: TrainingStore) -> None:
    first = store.create(WISH)
    with pytest.raises(Conflict) as caught:
        store.create(WISH)
    assert caught.value.code == "model-in-training"
    assert first.id in caught.value.message
    store.cancel(first.id)
    assert store.create(WISH).id != first.id


def test_one_worker_has_it_until_its_lease_ends(store: TrainingStore) -> None:
    made = store.create(WISH)
    claimed = store.claim(made.id, "one", 10_000)
    assert claimed is not None
    assert (claimed.state, claimed.attempts) == (TrainingState.RUNNING, 1)
    assert store.claim(made.id, "two", 10_000) is None
    assert store.due() == []
    assert store.renew(made.id, "two", 10_000, Progress()) is False
    assert store.renew(made.id, "one", 1, Progress("training", 30, 60, 2)) is True
    assert store.get(made.id).progress == Progress("training", 30, 60, 2)
    time.sleep(0.05)
    assert store.due() == [made.id]
    taken = store.claim(made.id, "two", 10_000)
    assert taken is not None
    assert taken.attempts == 2
    assert not store.finish(made.id, "one", TrainingState.READY), "who comes back too late changes nothing"
    assert store.get(made.id).state is TrainingState.RUNNING
    assert store.finish(made.id, "two", TrainingState.READY)
    assert store.get(made.id).finished_at is not None
    assert store.claim(made.id, "three", 10_000) is None
    assert store.create(WISH).state is TrainingState.PENDING


def test_three_lost_workers_and_it_has_failed(store: TrainingStore) -> None:
    made = store.create(WISH)
    for number in range(3):
        assert store.claim(made.id, f"token{number}", 1) is not None
        time.sleep(0.02)
    assert store.claim(made.id, "fourth", 1) is None
    failed = store.get(made.id)
    assert (failed.state, failed.code) == (TrainingState.FAILED, "worker-lost")
    assert "3 times" in failed.reason
    assert store.due() == []


def test_three_attempts_that_went_wrong_and_it_has_failed(store: TrainingStore) -> None:
    made = store.create(WISH)
    for number in range(3):
        assert store.claim(made.id, "t", 10_000) is not None
        state = store.try_again(made.id, "t", "crashed", "signal 9")
        assert state is (TrainingState.FAILED if number == 2 else TrainingState.PENDING)
    assert store.get(made.id).reason == "signal 9"


def test_what_a_stopping_worker_gives_back_has_lost_no_attempt(store: TrainingStore) -> None:
    made = store.create(WISH)
    for _ in range(5):
        assert store.claim(made.id, "t", 10_000) is not None
        store.give_back(made.id, "t")
    assert store.get(made.id).state is TrainingState.PENDING
    assert store.get(made.id).attempts == 0


def test_cancel(store: TrainingStore, ledger_client: Client) -> None:
    waiting = store.create(WISH)
    assert store.cancel(waiting.id).state is TrainingState.CANCELLED
    running = store.create(WISH)
    assert store.claim(running.id, "t", 10_000) is not None
    asked = store.cancel(running.id)
    assert (asked.state, asked.cancelling) == (TrainingState.RUNNING, True)
    assert store.renew(running.id, "t", 10_000, Progress()) is None
    assert store.finish(running.id, "t", TrainingState.CANCELLED)
    assert store.cancel(running.id).state is TrainingState.CANCELLED
    lost = store.create(WISH)
    assert store.claim(lost.id, "t", 1) is not None
    store.cancel(lost.id)
    time.sleep(0.02)
    assert store.claim(lost.id, "u", 1) is None
    assert store.get(lost.id).state is TrainingState.CANCELLED
    assert ledger_client.hlen(ACTIVE_KEY) == 0
