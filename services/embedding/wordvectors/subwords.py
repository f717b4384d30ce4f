"""Pieces of words as fastText has them: UTF-8 n-grams, hashed to the rows of a table.

By the published program (facebookresearch/fastText, dictionary.cc: ``computeSubwords`` and ``hash``), its surprises
included: bytes of 128 and more enter the hash with their sign carried on, as its C++ does it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_OFFSET, _PRIME, _MASK = 2166136261, 16777619, 0xFFFFFFFF
_SIGN_CARRIED_ON = 0xFFFFFF00
_REMEMBERED = 4096
MAX_CHARS = 256
"""What a word has beyond it does not count: no word is that long, and a line of noise must not take seconds."""


class Subwords:
    """Vectors for words that nobody has seen.

    Args:
        table: float32, shape (buckets, dim).
        least: characters of the shortest n-gram.
        most: characters of the longest n-gram.
    """

    def __init__(self, table: NDArray[np.float32], least: int, most: int) -> None:
        self._table = table
        self._least = least
        self._most = most
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._mean)

    def vector(self, word: str) -> NDArray[np.float32]:
        """The mean of the word's pieces; zeros for a word without any. Shape (dim,); not to be written to."""
        return self._remembered(word[:MAX_CHARS])

    def _mean(self, word: str) -> NDArray[np.float32]:
        rows = buckets(word, self._least, self._most, len(self._table))
        if not rows:
            return np.zeros(self._table.shape[1], dtype=np.float32)
        mean: NDArray[np.float32] = self._table[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean


def buckets(word: str, least: int, most: int, count: int) -> list[int]:
    """Rows of the word's n-grams, in their order; a row may stand twice."""
    return [fnv1a(gram) % count for gram in subword_bytes(word, least, most)]


def subword_bytes(word: str, least: int, most: int) -> list[bytes]:
    """The n-grams of ``<word>``: ``least`` to ``most`` characters each, a frame character alone is none."""
    framed = f"<{word}>"
    characters = [character.encode("utf-8") for character in framed]
    found = []
    for start in range(len(characters)):
        for size in range(least, min(most, len(characters) - start) + 1):
            if size == 1 and (start == 0 or start + 1 == len(characters)):
                continue
            found.append(b"".join(characters[start : start + size]))
    return found


def fnv1a(data: bytes) -> int:
    """32-bit FNV-1a over signed bytes."""
    value = _OFFSET
    for byte in data:
        value = ((value ^ (byte if byte < 128 else byte | _SIGN_CARRIED_ON)) * _PRIME) & _MASK
    return value
