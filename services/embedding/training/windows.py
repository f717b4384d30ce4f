"""Which words stand near each other, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse, encode
from services.embedding.words import folded_words

_TOKENS_AT_ONCE = 200_000
MAX_PAIRS = 30_000_000
"""Stored pairs: 360 MB. Beyond it the weakest are forgotten."""


def count_pairs(texts: Iterable[str], vocabulary: list[str], window: int, pulse: Pulse, *, harmonic: bool) -> Any:
    """How often each two words occur within a window in the same text.

    Args:
        vocabulary: the words that count; others are taken out before the window is laid.
        window: words to each side.
        harmonic: a pair at distance d counts 1/d (as GloVe's), else 1.

    Returns:
        scipy CSR of float64, shape (words, words), symmetric.
    """
    from scipy.sparse import csr_matrix

    size = len(vocabulary)
    ids = {word: number for number, word in enumerate(vocabulary)}
    total = csr_matrix((size, size), dtype=np.float64)
    waiting: list[int] = []
    for text in texts:
        pulse.beat()
        waiting += encode(folded_words(text), ids)
        waiting += [-1] * window
        if len(waiting) >= _TOKENS_AT_ONCE:
            total = _merged(total, _pairs(np.array(waiting), size, window, pulse, harmonic=harmonic))
            waiting = []
    total = _merged(total, _pairs(np.array(waiting, dtype=np.int64), size, window, pulse, harmonic=harmonic))
    return (total + total.T).tocsr()


def _pairs(tokens: NDArray[np.int64], size: int, window: int, pulse: Pulse, *, harmonic: bool) -> Any:
    """Pairs of one stretch of tokens, each counted once, in the order in which its words stood."""
    from scipy.sparse import coo_matrix

    total = coo_matrix((size, size), dtype=np.float64).tocsr()
    for distance in range(1, window + 1):
        left, right = tokens[:-distance], tokens[distance:]
        both = (left >= 0) & (right >= 0)
        weight = 1.0 / distance if harmonic else 1.0
        found = coo_matrix((np.full(int(both.sum()), weight), (left[both], right[both])), shape=(size, size))
        total = total + found.tocsr()
        pulse.beat()
    return total


def _merged(total: Any, more: Any) -> Any:
    total = total + more
    if total.nnz > MAX_PAIRS:
        total.data[~_strongest(total.data, MAX_PAIRS // 2)] = 0.0
        total.eliminate_zeros()
    return total


def _strongest(counts: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """Which counts stay when ``most`` may. Most pairs were seen once: of equal ones, evenly spread ones stay."""
    least = np.partition(counts, len(counts) - most)[len(counts) - most]
    stays: NDArray[np.bool_] = counts > least
    equal = np.flatnonzero(counts == least)
    spare = most - int(stays.sum())
    stays[equal[np.arange(spare) * len(equal) // spare]] = True
    return stays
