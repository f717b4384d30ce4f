"""Which texts go through the model together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

# Rows are sorted by length within a window, not over everything, so that a caller with a million texts holds the
# tokens and vectors of one window only. 2,048 texts are enough for batches of nearly equal lengths: padding was
# 3 % of the tokens of 1,000 docstrings at a budget of 2,048.
WINDOW_ROWS = 2048

# Below this a forward pass is mostly overhead: products of 512 rows run at 98 % of the speed of 4,096.
MIN_BATCH_TOKENS = 512


def share_budget(
    lengths: Sequence[int], streams: int, *, limit_tokens: int, least_tokens: int = MIN_BATCH_TOKENS
) -> int:
    """The token budget that gives every stream something to do.

    Two batches each where there is enough, so that they end together; of a small job one each.

    Args:
        lengths: tokens of each text.
        streams: forward passes that run side by side.
        limit_tokens: budget that no batch may exceed.
        least_tokens: a job is not cut into batches below this, even if streams stay idle.
    """
    total = sum(lengths)
    if total >= 2 * streams * MIN_BATCH_TOKENS:
        return min(limit_tokens, total // (2 * streams))
    # One row more than a fair share: rows are whole, and what the last stream cannot take would be a pass of its own.
    share = total // streams + max(lengths, default=0)
    return min(limit_tokens, max(least_tokens, share))


def plan_batches(lengths: Sequence[int], *, budget_tokens: int, window_rows: int = WINDOW_ROWS) -> Iterator[list[int]]:
    """Cuts texts into batches by what they cost, not by their number.

    A forward pass costs about rows times the longest row, because shorter rows are padded. So texts are sorted by
    length within a window, longest first (the peak of memory comes at once), and each batch takes rows as
    long as that product stays within the budget.

    Args:
        lengths: tokens of each text, special tokens included.
        budget_tokens: limit of rows times longest row; a single longer text is a batch of its own.
        window_rows: how many texts are sorted together.

    Yields:
        Positions in ``lengths``; every position is in exactly one batch.
    """
    for start in range(0, len(lengths), window_rows):
        window = range(start, min(start + window_rows, len(lengths)))
        order = sorted(window, key=lambda position: -lengths[position])
        taken = 0
        while taken < len(order):
            longest = max(1, lengths[order[taken]])
            rows = max(1, budget_tokens // longest)
            yield order[taken : taken + rows]
            taken += rows


def run_batches(batches: Iterable[list[int]], embed: Callable[[list[int]], None], *, streams: int) -> None:
    """Embeds batches, up to ``streams`` side by side; a single one in the caller's thread."""
    planned = list(batches)
    if streams == 1 or len(planned) < 2:
        for batch in planned:
            embed(batch)
        return
    with ThreadPoolExecutor(min(streams, len(planned))) as pool:
        list(pool.map(embed, planned))
