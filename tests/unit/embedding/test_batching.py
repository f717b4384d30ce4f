from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.embedding.batching import MIN_BATCH_TOKENS, plan_batches, share_budget

LENGTHS = st.lists(st.integers(0, 600), max_size=80)


@given(lengths=LENGTHS, budget_tokens=st.integers(1, 5000), window_rows=st.integers(1, 100))
def test_every_text_is_in_one_batch_within_the_budget(lengths: list[int], budget_tokens: int, window_rows: int) -> None:
    batches = list(plan_batches(lengths, budget_tokens=budget_tokens, window_rows=window_rows))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        cost = len(batch) * max(lengths[position] for position in batch)
        assert cost <= budget_tokens or len(batch) == 1
        assert max(batch) // window_rows == min(batch) // window_rows


@given(lengths=LENGTHS.filter(bool), budget_tokens=st.integers(1, 5000))
def test_texts_of_like_length_go_together_longest_first(lengths: list[int], budget_tokens: int) -> None:
    order = [lengths[position] for batch in plan_batches(lengths, budget_tokens=budget_tokens) for position in batch]
    assert order == sorted(lengths, reverse=True)


def test_batches_are_as_full_as_the_budget_allows() -> None:
    assert list(plan_batches([10, 40, 10, 10, 40], budget_tokens=80)) == [[1, 4], [0, 2, 3]]
    assert list(plan_batches([100, 5], budget_tokens=50)) == [[0], [1]]
    assert list(plan_batches([], budget_tokens=50)) == []


def test_windows_are_sorted_apart() -> None:
    assert list(plan_batches([1, 9, 2, 8], budget_tokens=100, window_rows=2)) == [[1, 0], [3, 2]]


@given(lengths=LENGTHS, streams=st.integers(1, 64), limit=st.integers(1, 10**5))
def test_a_shared_budget_stays_under_the_limit(lengths: list[int], streams: int, limit: int) -> None:
    budget = share_budget(lengths, streams, limit_tokens=limit)
    assert budget <= limit
    assert budget >= min(limit, MIN_BATCH_TOKENS)


def test_every_stream_gets_two_batches_of_a_middling_job() -> None:
    assert share_budget([80] * 100, 2, limit_tokens=4096) == 2000
    assert share_budget([100] * 1000, 2, limit_tokens=4096) == 4096
    assert share_budget([10] * 5, 2, limit_tokens=4096) == MIN_BATCH_TOKENS


@given(lengths=st.lists(st.integers(8, 40), min_size=32, max_size=200), streams=st.integers(1, 4))
def test_a_small_job_is_one_batch_for_each_stream(lengths: list[int], streams: int) -> None:
    if sum(lengths) >= 2 * streams * MIN_BATCH_TOKENS:
        return
    budget = share_budget(lengths, streams, limit_tokens=4096, least_tokens=128)
    batches = list(plan_batches(lengths, budget_tokens=budget))
    assert len(batches) <= streams + 1
    assert len(batches) >= min(streams, sum(lengths) // 256)
