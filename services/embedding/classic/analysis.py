"""From a text to its features: words, or character n-grams within words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.embedding.words import folded_words

Analyzer = Callable[[str], list[str]]
"""From a text to its features, in their order."""

Finder = Callable[[str], NDArray[np.int64]]
"""From a text to the rows of its known features, each as often as it stands there."""

_WORDS_REMEMBERED = 16_384
_LONG_WORD_CHARS = 32


def word_analyzer(max_words: int) -> Analyzer:
    """The first words of a text, folded."""

    def analyze(text: str) -> list[str]:
        return folded_words(text, max_words)

    return analyze


def ngram_analyzer(max_words: int, least: int, most: int) -> Analyzer:
    """N-grams of ``least`` to ``most`` characters of each of the first words.

    A word is framed by a blank at each end, so that its beginning and end are seen, and no n-gram crosses words: what
    scikit-learn calls ``char_wb``. A typo changes the n-grams around it and leaves the others.
    """

    def analyze(text: str) -> list[str]:
        return [gram for word in folded_words(text, max_words) for gram in ngrams(word, least, most)]

    return analyze


def word_finder(rows: Mapping[str, int], max_words: int) -> Finder:
    """``word_analyzer`` and a look into the vocabulary."""

    def find(text: str) -> NDArray[np.int64]:
        return _known(rows, folded_words(text, max_words))

    return find


def ngram_finder(rows: Mapping[str, int], max_words: int, least: int, most: int) -> Finder:
    """``ngram_analyzer`` and a look into the vocabulary; the rows of short words are remembered."""

    @lru_cache(maxsize=_WORDS_REMEMBERED)
    def remembered(word: str) -> NDArray[np.int64]:
        return _known(rows, ngrams(word, least, most))

    def find(text: str) -> NDArray[np.int64]:
        parts = [
            remembered(word) if len(word) <= _LONG_WORD_CHARS else _known(rows, ngrams(word, least, most))
            for word in folded_words(text, max_words)
        ]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    return find


def _known(rows: Mapping[str, int], features: Iterable[str]) -> NDArray[np.int64]:
    return np.array([row for each in features if (row := rows.get(each)) is not None], dtype=np.int64)


def ngrams(word: str, least: int, most: int) -> Iterator[str]:
    """The n-grams of one word, short ones first; a word too short for a length is one n-gram, once."""
    framed = f" {word} "
    for size in range(least, most + 1):
        for start in range(max(len(framed) - size + 1, 1)):
            yield framed[start : start + size]
        if len(framed) <= size:
            return
