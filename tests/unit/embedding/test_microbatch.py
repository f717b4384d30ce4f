from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.embedding.hash_embedder import HashEmbedder
from services.embedding.microbatch import BatchLimit, QueryBatcher, QueryQueue, WaitingQuery
from services.errors import InvalidInput, NearfieldError, Overloaded, Unavailable

GENEROUS_S = 60.0


class GatedEmbedder(HashEmbedder):
    """The hash embedder behind a gate that tests open, with texts that make it fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[str]] = []

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(list(texts))
        self.entered.release()
        assert self.gate.wait(GENEROUS_S)
        vectors = super().embed_queries(texts)
        for row, text in enumerate(texts):
            if text.startswith("crash"):
                raise ZeroDivisionError("the model stumbled")
            if text.startswith("exit"):
                raise SystemExit(3)
            if text.startswith("nan"):
                vectors[row] = np.nan
            if text.startswith("short"):
                return vectors[:-1]
        return vectors


@contextmanager
def batcher(*, queue_limit: int = 64, wait_ms: float = 0) -> Iterator[tuple[QueryBatcher, GatedEmbedder]]:
    embedder = GatedEmbedder()
    owner = QueryBatcher(embedder, wait_ms=wait_ms, queue_limit=queue_limit)
    try:
        yield owner, embedder
    finally:
        embedder.gate.set()
        owner.close()


@contextmanager
def held(owner: QueryBatcher, embedder: GatedEmbedder, texts: Sequence[str]) -> Iterator[list[object]]:
    """Lets a first query hold the model and ``texts`` queue behind it; opens the gate and waits at the end."""
    answers: list[object] = [None] * len(texts)

    def ask(position: int) -> None:
        try:
            answers[position] = owner.embed(texts[position], GENEROUS_S)
        except NearfieldError as error:
            answers[position] = error

    first = threading.Thread(target=lambda: owner.embed("first", GENEROUS_S))
    first.start()
    assert embedder.entered.acquire(timeout=GENEROUS_S)
    asking = [threading.Thread(target=ask, args=(position,)) for position in range(len(texts))]
    for thread in asking:
        thread.start()
    while waiting(owner) < len(texts):
        threading.Event().wait(0.001)
    yield answers
    embedder.gate.set()
    for thread in (first, *asking):
        thread.join(GENEROUS_S)


def waiting(owner: QueryBatcher) -> int:
    return len(owner._queue._waiting)


def is_vector_of(answer: object, text: str) -> bool:
    return isinstance(answer, np.ndarray) and np.array_equal(answer, HashEmbedder().embed_queries([text])[0])


# -- the queue, with time as an argument ----------------------------------------------------------------------


def queue(wait_s: float = 0.5, limit: int = 10, max_batch: int = 4) -> QueryQueue:
    return QueryQueue(wait_s=wait_s, limit=limit, max_batch=max_batch)


def texts_of(batch: Sequence[WaitingQuery]) -> list[str]:
    return [query.text for query in batch]


def test_a_lone_query_never_waits() -> None:
    lone = queue()
    assert lone.due_in_s(0.0) is None
    for turn in range(3):
        lone.add(WaitingQuery(str(turn), arrived_s=10.0 * turn))
        assert lone.due_in_s(10.0 * turn) == 0.0
        assert texts_of(lone.take()) == [str(turn)]
    assert lone.due_in_s(99.0) is None


def test_after_company_the_first_query_waits_for_more_and_no_longer_than_agreed() -> None:
    busy = queue(wait_s=0.5)
    busy.add(WaitingQuery("a", 1.0))
    busy.add(WaitingQuery("b", 1.0))
    assert len(busy.take()) == 2
    busy.add(WaitingQuery("c", 2.0))
    assert busy.due_in_s(2.0) == pytest.approx(0.5)
    busy.add(WaitingQuery("d", 2.4))
    assert busy.due_in_s(2.4) == pytest.approx(0.1)
    assert busy.due_in_s(2.5) == 0.0
    assert busy.due_in_s(3.0) == 0.0
    assert texts_of(busy.take()) == ["c", "d"]


def test_a_full_batch_does_not_wait_and_the_rest_keeps_its_order() -> None:
    busy = queue(max_batch=4)
    for number in range(6):
        busy.add(WaitingQuery(str(number), 0.0))
    busy._company = True
    assert busy.due_in_s(0.0) == 0.0
    assert texts_of(busy.take()) == ["0", "1", "2", "3"]
    assert busy.due_in_s(0.1) == pytest.approx(0.4)
    assert texts_of(busy.take()) == ["4", "5"]


def test_one_batch_without_company_ends_the_waiting() -> None:
    busy = queue()
    busy._company = True
    busy.add(WaitingQuery("a", 0.0))
    busy.take()
    busy.add(WaitingQuery("b", 1.0))
    assert busy.due_in_s(1.0) == 0.0


def test_above_the_limit_a_query_is_refused_and_the_waiting_stay() -> None:
    full = queue(limit=2)
    full.add(WaitingQuery("a", 0.0))
    full.add(WaitingQuery("b", 0.0))
    with pytest.raises(Overloaded, match=r"2 queries wait.*limit is 2.*NEARFIELD_QUERY_QUEUE") as refused:
        full.add(WaitingQuery("c", 0.0))
    assert refused.value.retry_after_s == 1
    assert refused.value.retryable
    assert texts_of(full.take()) == ["a", "b"]


def test_those_who_have_gone_take_no_place_and_are_dropped() -> None:
    full = queue(limit=2)
    gone = WaitingQuery("gone", 0.0)
    full.add(gone)
    full.add(WaitingQuery("b", 0.0))
    gone.answer.cancel()
    full.add(WaitingQuery("c", 0.0))
    assert texts_of(full.take()) == ["b", "c"]


def test_a_queue_of_gone_waiters_makes_an_empty_batch() -> None:
    deserted = queue()
    for number in range(9):
        query = WaitingQuery(str(number), 0.0)
        deserted.add(query)
        query.answer.cancel()
    assert deserted.take() == []
    assert deserted.due_in_s(0.0) is None


def test_long_queries_go_alone_and_short_ones_up_to_the_budget() -> None:
    busy = QueryQueue(wait_s=0.5, limit=20, max_batch=8, max_tokens=20)
    for text in ("long " * 100, "a", "b", "c" * 40, "d" * 20):
        busy.add(WaitingQuery(text, 0.0))
        gone = WaitingQuery("gone " * 100, 0.0)
        busy.add(gone)
        gone.answer.cancel()
    sizes = []
    while batch := busy.take():
        sizes.append([len(text) for text in texts_of(batch)])
    assert sizes == [[500], [1, 1, 40], [20]], "those who have gone count for nothing"


ACTIONS = st.lists(st.sampled_from(["add", "cancel", "take"]), max_size=60)


@given(actions=ACTIONS, limit=st.integers(1, 8), max_batch=st.integers(1, 5))
def test_every_accepted_query_is_taken_once_or_was_cancelled(actions: list[str], limit: int, max_batch: int) -> None:
    tested = QueryQueue(wait_s=1.0, limit=limit, max_batch=max_batch)
    accepted: list[WaitingQuery] = []
    cancelled: set[int] = set()
    taken: list[WaitingQuery] = []
    for number, action in enumerate(actions):
        if action == "add":
            query = WaitingQuery(str(number), float(number))
            try:
                tested.add(query)
                accepted.append(query)
            except Overloaded:
                live = [each for each in accepted if each not in taken and id(each) not in cancelled]
                assert len(live) >= limit
        elif action == "cancel" and accepted and accepted[-1].answer.cancel():
            cancelled.add(id(accepted[-1]))
        elif action == "take":
            taken += tested.take()
    while batch := tested.take():
        assert len(batch) <= max_batch
        taken += batch
    assert texts_of(taken) == texts_of([query for query in accepted if id(query) not in cancelled])


# -- the thread ---------------------------------------------------------------------------------------------


def test_queries_that_wait_together_are_embedded_together() -> None:
    texts = [f"query {number}" for number in range(5)]
    with batcher() as (owner, embedder):
        with held(owner, embedder, texts) as answers:
            pass
        assert all(is_vector_of(answer, text) for answer, text in zip(answers, texts, strict=True))
        assert embedder.batches[0] == ["first"]
        assert sorted(embedder.batches[1]) == sorted(texts)


def test_a_failing_query_fails_alone_and_says_so() -> None:
    texts = ["good one", "crash here", "exit there", "nan out", "good two"]
    with batcher() as (owner, embedder):
        with held(owner, embedder, texts) as answers:
            pass
        assert is_vector_of(answers[0], "good one")
        assert is_vector_of(answers[4], "good two")
        for answer, cause in zip(answers[1:4], ("ZeroDivisionError", "SystemExit", "RuntimeError"), strict=True):
            assert isinstance(answer, Unavailable)
            assert answer.code == "embedding-failed"
            assert cause in answer.message
            assert type(answer.__cause__).__name__ == cause
        assert is_vector_of(owner.embed("afterwards", GENEROUS_S), "afterwards")


def test_a_model_that_answers_too_few_reaches_every_waiter() -> None:
    with batcher() as (owner, embedder):
        with held(owner, embedder, ["short a", "short b", "good"]) as answers:
            pass
        assert [getattr(answer, "code", None) for answer in answers] == ["embedding-failed", "embedding-failed", None]
        assert is_vector_of(answers[2], "good")


def test_what_the_embedder_says_of_a_text_reaches_its_waiter() -> None:
    with batcher() as (owner, embedder):
        embedder.gate.set()
        with pytest.raises(InvalidInput) as refused:
            owner.embed("half \ud83d", GENEROUS_S)
        assert refused.value.code == "bad-text"


def test_above_the_limit_a_query_is_refused_at_once() -> None:
    with batcher(queue_limit=3) as (owner, embedder):
        with held(owner, embedder, ["a", "b", "c"]) as answers, pytest.raises(Overloaded):
            owner.embed("one too many", GENEROUS_S)
        assert all(is_vector_of(answer, text) for answer, text in zip(answers, ["a", "b", "c"], strict=True))
        assert ["one too many"] not in embedder.batches[1:]
        assert len(embedder.batches) == 2


def test_a_waiter_that_gives_up_is_dropped_from_the_batch() -> None:
    with batcher() as (owner, embedder):
        with held(owner, embedder, ["patient"]) as answers, pytest.raises(Unavailable) as given_up:
            owner.embed("impatient", 0.0)
        assert given_up.value.code == "embedding-timeout"
        assert is_vector_of(answers[0], "patient")
        assert embedder.batches == [["first"], ["patient"]]


def test_a_waiter_may_give_up_on_a_batch_that_runs() -> None:
    with batcher() as (owner, embedder):
        with pytest.raises(Unavailable) as given_up:
            owner.embed("too slow", 0.05)
        assert given_up.value.code == "embedding-timeout"
        embedder.gate.set()
        assert is_vector_of(owner.embed("next", GENEROUS_S), "next")


def test_closing_fails_those_who_wait_and_finishes_the_batch_in_hand() -> None:
    embedder = GatedEmbedder()
    owner = QueryBatcher(embedder, wait_ms=0, queue_limit=8)
    with ThreadPoolExecutor(3) as pool:
        in_hand = pool.submit(owner.embed, "in hand", GENEROUS_S)
        assert embedder.entered.acquire(timeout=GENEROUS_S)
        queued = pool.submit(owner.embed, "queued", GENEROUS_S)
        while waiting(owner) < 1:
            threading.Event().wait(0.001)
        closing = pool.submit(owner.close)
        while not owner._closed:
            threading.Event().wait(0.001)
        embedder.gate.set()
        closing.result(GENEROUS_S)
        assert is_vector_of(in_hand.result(GENEROUS_S), "in hand")
        with pytest.raises(Unavailable, match="stopping"):
            queued.result(GENEROUS_S)
    with pytest.raises(Unavailable, match="stopping"):
        owner.embed("late", GENEROUS_S)
    owner.close()
    assert not any(thread.is_alive() for thread in owner._threads)


def test_nobody_is_asked_again_one_by_one_when_nobody_answers() -> None:
    class Away(GatedEmbedder):
        def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
            super().embed_queries(texts)
            raise Unavailable("the provider does not answer")

    embedder = Away()
    owner = QueryBatcher(embedder, wait_ms=0, queue_limit=8)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(owner.embed, "first", GENEROUS_S)]
        assert embedder.entered.acquire(timeout=GENEROUS_S)
        asked += [pool.submit(owner.embed, text, GENEROUS_S) for text in "abc"]
        while waiting(owner) < 3:
            threading.Event().wait(0.001)
        embedder.gate.set()
        assert {type(each.exception(GENEROUS_S)) for each in asked} == {Unavailable}
    owner.close()
    assert list(map(len, embedder.batches)) == [1, 3]


def test_batches_run_side_by_side_where_the_model_computes_elsewhere() -> None:
    embedder = GatedEmbedder()
    owner = QueryBatcher(embedder, wait_ms=0, queue_limit=8, batch=BatchLimit(side_by_side=3))
    with ThreadPoolExecutor(3) as pool:
        asked = []
        for text in "abc":
            asked.append(pool.submit(owner.embed, text, GENEROUS_S))
            assert embedder.entered.acquire(timeout=GENEROUS_S), "three are in work before one is done"
        embedder.gate.set()
        assert all(is_vector_of(answer.result(GENEROUS_S), text) for answer, text in zip(asked, "abc", strict=True))
    owner.close()
    assert not any(thread.is_alive() for thread in owner._threads)


def test_the_clock_decides_when_a_batch_is_due() -> None:
    now_s = 100.0
    embedder = GatedEmbedder()
    embedder.gate.set()
    owner = QueryBatcher(embedder, wait_ms=60_000_000, queue_limit=8, clock=lambda: now_s)
    try:
        owner._queue._company = True
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(owner.embed, "patient", GENEROUS_S)
            while waiting(owner) < 1:
                threading.Event().wait(0.001)
            assert not answer.done()
            now_s += 60_001.0
            with owner._changed:
                owner._changed.notify()
            assert is_vector_of(answer.result(GENEROUS_S), "patient")
    finally:
        owner.close()


WORDS = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda text: not text.startswith("crash"))


@settings(max_examples=15)
@given(texts=st.lists(st.one_of(WORDS, st.just("crash")), min_size=1, max_size=40), wait_ms=st.sampled_from([0, 1]))
def test_every_query_of_many_threads_is_answered_once(texts: list[str], wait_ms: int) -> None:
    with batcher(queue_limit=1000, wait_ms=wait_ms) as (owner, embedder), ThreadPoolExecutor(8) as pool:
        embedder.gate.set()
        asked = [pool.submit(owner.embed, text, GENEROUS_S) for text in texts]
        for text, answer in zip(texts, asked, strict=True):
            if text == "crash":
                assert isinstance(answer.exception(GENEROUS_S), Unavailable)
            else:
                assert is_vector_of(answer.result(GENEROUS_S), text)
        solved = [text for batch in embedder.batches for text in batch if text != "crash" and "crash" not in batch]
        for text in set(texts) - {"crash"}:
            assert solved.count(text) == texts.count(text)
