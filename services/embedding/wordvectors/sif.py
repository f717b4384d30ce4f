"""A text as the weighted mean of its words, without what all texts have in common.

After Arora, Liang and Ma (2017), "A simple but tough-to-beat baseline for sentence embeddings", algorithm 1: weights
a / (a + p(w)), and the first principal direction of the texts taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse
from services.embedding.words import WORD, fold
from services.embedding.wordvectors.subwords import Subwords


def sif_weights(counts: NDArray[np.float64], total: float, a: float) -> NDArray[np.float32]:
    """a / (a + p(w)) for words that make ``counts`` of ``total`` words."""
    weights: NDArray[np.float32] = (a / (a + counts / total)).astype(np.float32)
    return weights


def zipf_counts(words: int) -> NDArray[np.float64]:
    """How often words may occur of which only the order is known: 1 / rank, as Zipf found it in texts."""
    return 1.0 / np.arange(1, words + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class WordMeans:
    """Texts as weighted means of words.

    Attributes:
        rows: each word's row; folded words, except where ``cased``.
        vectors: float32, shape (words, dim).
        weights: float32, shape (words,).
        cased: whether words may hold capitals: then a word is looked up as it stands, then folded.
        subwords: makes vectors of unknown words (folded, except where ``cased``); their weight is 1, that of a word too
            rare to be counted.
    """

    rows: dict[str, int]
    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    cased: bool = False
    subwords: Subwords | None = None

    def mean(self, text: str, max_words: int) -> NDArray[np.float64]:
        """The mean over the first ``max_words`` words; zeros where none is known. Shape (dim,)."""
        words = WORD.findall(text)[:max_words]
        known, unknown = self._sorted(words)
        total = np.zeros(self.vectors.shape[1])
        if known:
            total += self.weights[known] @ self.vectors[known]
        if self.subwords is not None:
            for word in unknown:
                total += self.subwords.vector(word)
        return total / max(len(words), 1)

    def word(self, word: str) -> NDArray[np.float32] | None:
        """One word's vector, of its pieces where it is unknown; None where it has none. Shape (dim,)."""
        known, unknown = self._sorted([word])
        if known:
            row: NDArray[np.float32] = self.vectors[known[0]]
            return row
        if self.subwords is None:
            return None
        vector = self.subwords.vector(unknown[0])
        return vector if vector.any() else None

    def _sorted(self, words: Sequence[str]) -> tuple[list[int], list[str]]:
        known: list[int] = []
        unknown: list[str] = []
        for word in words:
            row = self.rows.get(word) if self.cased else None
            if row is None:
                folded = fold(word)
                row = self.rows.get(folded)
            if row is None:
                unknown.append(word if self.cased else folded)
            else:
                known.append(row)
        return known, unknown


def common_directions(
    means: WordMeans, texts: Iterable[str], max_words: int, count: int, pulse: Pulse
) -> NDArray[np.float32]:
    """The first principal directions of the texts' means, not centred, as in the paper.

    Returns:
        float32, shape (count, dim), of length 1 each and at right angles.
    """
    dim = means.vectors.shape[1]
    gram = np.zeros((dim, dim))
    for text in texts:
        mean = means.mean(text, max_words)
        gram += np.outer(mean, mean)
        pulse.beat()
    values, vectors = np.linalg.eigh(gram)
    del values
    return np.ascontiguousarray(vectors[:, ::-1][:, :count].T, dtype=np.float32)


def expected_direction(
    vectors: NDArray[np.float32], weights: NDArray[np.float32], counts: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The common direction where there are no texts to fit it on: that of the mean of a random text.

    Texts' means scatter around the mean of all words by frequency, and their first principal direction, not centred,
    is nearly that mean.

    Returns:
        float32, shape (1, dim).
    """
    mean = (counts / counts.sum() * weights) @ vectors.astype(np.float64)
    length = float(np.linalg.norm(mean))
    if length < 1e-9:
        return np.zeros((0, vectors.shape[1]), dtype=np.float32)
    direction: NDArray[np.float32] = (mean / length).astype(np.float32)
    return direction[None, :]


def without(vectors: NDArray[np.float64], directions: NDArray[np.float32]) -> NDArray[np.float64]:
    """The rows without their part along the directions; a row that lies wholly along them becomes zeros."""
    if not len(directions):
        return vectors
    axes = directions.astype(np.float64)
    rest = np.stack([row - (axes @ row) @ axes for row in vectors]) if len(vectors) else vectors
    before, after = np.linalg.norm(vectors, axis=1), np.linalg.norm(rest, axis=1)
    rest[after < 1e-5 * before] = 0.0
    return rest
