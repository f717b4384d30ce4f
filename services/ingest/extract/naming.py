"""Which pages, slides and chapters a warning is about."""

from __future__ import annotations

from collections.abc import Sequence

_MOST_NAMED = 10


def named(word: str, numbers: Sequence[int]) -> str:
    """ "page 3", "pages 3 and 7", or "pages 1, 2, ... 10 and 4 more"."""
    if len(numbers) == 1:
        return f"{word} {numbers[0]}"
    if len(numbers) <= _MOST_NAMED:
        return f"{word}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
    return f"{word}s {', '.join(map(str, numbers[:_MOST_NAMED]))} and {len(numbers) - _MOST_NAMED:,} more"
