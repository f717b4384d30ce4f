"""Word vectors by counting alone: what stands near what, more often than chance, in few dimensions.

After Levy, Goldberg and Dagan (2015), "Improving distributional similarity with lessons learned from word embeddings":
positive pointwise mutual information with the contexts' distribution smoothed by 0.75, truncated SVD, and the singular
values weighted by a power of 0.5 or less (their "eig"). Texts are SIF-weighted means (``wordvectors.sif``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from services.embedding.families import Setting, Tick
from services.embedding.training.decomposition import truncated_svd
from services.embedding.training.settings import Real, Rule, Whole, bad_training, read_settings
from services.embedding.training.texts import Pulse
from services.embedding.training.windows import count_pairs
from services.embedding.wordvectors.writing import LEAST_WORDS, SHARED, Learned, count_words, write_words

SETTINGS: Mapping[str, Rule] = {
    **SHARED,
    "max_words": Whole(20_000, 16, 200_000),
    "smoothing": Real(0.75, 0.0, 1.0),
    "value_power": Real(0.5, 0.0, 1.0),
}


def train_co_occurrence(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """See ``Trainer``; settings are ``SETTINGS``."""
    read = read_settings("co-occurrence", settings, SETTINGS)
    pulse = Pulse(tick)
    counted = count_words(texts, read, pulse)
    matrix = ppmi(
        count_pairs(texts, counted.terms, read.whole("window"), pulse, harmonic=False), read.real("smoothing")
    )
    dim = min(read.whole("dim"), len(counted.terms))
    left, values, _ = truncated_svd(matrix, dim, pulse, seed=read.whole("seed"))
    real = int((values > values[0] * 1e-5).sum()) if values[0] > 0 else 0
    if real < LEAST_WORDS:
        raise bad_training(
            read.family,
            f"the words differ in {real} ways only, a vector needs {LEAST_WORDS}; give more texts or lower min_count",
        )
    vectors = (left[:, :real] * values[:real] ** read.real("value_power")).astype(np.float32)
    write_words(Learned(counted, vectors), texts, read, folder, pulse)


def ppmi(pairs: Any, smoothing: float) -> Any:
    """max(0, ln(P(w, c) / (P(w) P(c)))), the contexts' counts raised to ``smoothing`` before they are shares.

    Args:
        pairs: scipy CSR of counts, shape (words, words), symmetric.

    Returns:
        scipy CSR of float64, of the same shape; what is not above chance is not stored.
    """
    words = np.asarray(pairs.sum(axis=1)).ravel()
    contexts = words**smoothing
    cells = pairs.tocoo(copy=True)
    if cells.nnz == 0:
        return cells.tocsr()
    # P(w,c) / (P(w) P(c)) with P(c) = contexts / sum(contexts): the total of all pairs cancels out.
    chance = words[cells.row] * (contexts[cells.col] / contexts.sum())
    cells.data = np.maximum(np.log(cells.data / chance), 0.0)
    result = cells.tocsr()
    result.eliminate_zeros()
    return result
