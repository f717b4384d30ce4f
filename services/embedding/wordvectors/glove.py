"""GloVe: word vectors whose products are the logarithms of how often words stand together.

After Pennington, Socher and Manning (2014), "GloVe: global vectors for word representation": minimise the sum over all
pairs of f(X) (w . c + b + b' - ln X)^2 (their equation 8) with f(X) = min(1, X / x_max)^0.75 (equation 9) by AdaGrad; a
word's vector is the sum of its two. Theirs steps at every pair; here a step is made of many pairs at once, drawn
without repeats, so that numpy and scipy do the work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.families import Setting, Tick
from services.embedding.training.settings import Real, Rule, Whole, bad_training, read_settings
from services.embedding.training.texts import Pulse
from services.embedding.training.windows import count_pairs
from services.embedding.wordvectors.writing import SHARED, Learned, count_words, write_words

SETTINGS: Mapping[str, Rule] = {
    **SHARED,
    "window": Whole(10, 1, 50),
    "max_words": Whole(20_000, 16, 200_000),
    "epochs": Whole(15, 1, 1000),
    "x_max": Real(10.0, 0.1, 1e6),
    "learning_rate": Real(1.0, 1e-4, 10.0),
}
"""``x_max`` is 100 in the paper, for billions of words; a collection's pairs are rarer. A step of
many pairs at once bears a higher ``learning_rate`` than the program's 0.05."""

_EXPONENT = 0.75
_LEAST_STEPS = 40
_MOST_PAIRS = 65_536


def train_glove(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """See ``Trainer``; settings are ``SETTINGS``."""
    read = read_settings("glove", settings, SETTINGS)
    pulse = Pulse(tick)
    counted = count_words(texts, read, pulse)
    pairs = count_pairs(texts, counted.terms, read.whole("window"), pulse, harmonic=True)
    if pairs.nnz == 0:
        raise bad_training(read.family, "no two words stand together in any text; give longer texts")
    plan = Plan(
        dim=read.whole("dim"),
        epochs=read.whole("epochs"),
        x_max=read.real("x_max"),
        learning_rate=read.real("learning_rate"),
        seed=read.whole("seed"),
    )
    write_words(Learned(counted, fit(pairs, plan, pulse).words), texts, read, folder, pulse)


@dataclass(frozen=True, slots=True)
class Plan:
    """How GloVe is fitted; see ``SETTINGS``."""

    dim: int
    epochs: int
    x_max: float
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """Vectors (float32, shape (words, dim)) and the mean weighted squared error of each epoch."""

    words: NDArray[np.float32]
    losses: tuple[float, ...]


def fit(pairs: Any, plan: Plan, pulse: Pulse) -> Fitted:
    """Fits word vectors to counts.

    Args:
        pairs: scipy CSR, shape (words, words), symmetric, counts above 0.
    """
    cells = pairs.tocoo()
    rows, columns = cells.row.astype(np.int32), cells.col.astype(np.int32)
    logs = np.log(cells.data).astype(np.float32)
    weights = np.minimum(1.0, (cells.data / plan.x_max) ** _EXPONENT).astype(np.float32)
    random = np.random.Generator(np.random.PCG64(plan.seed))
    words, contexts = (_Side.start(pairs.shape[0], plan.dim, random) for _ in range(2))
    at_once = max(min(cells.nnz // _LEAST_STEPS, _MOST_PAIRS), 1)
    losses = []
    for _ in range(plan.epochs):
        order = random.permutation(cells.nnz)
        loss = 0.0
        for start in range(0, cells.nnz, at_once):
            some = order[start : start + at_once]
            loss += _step(words, contexts, rows[some], columns[some], logs[some], weights[some], plan.learning_rate)
            pulse.beat()
        losses.append(loss / cells.nnz)
    return Fitted(words.vectors[:, :-2] + contexts.vectors[:, :-2], tuple(losses))


@dataclass(slots=True)
class _Side:
    """Vectors of words or of contexts, float32 of shape (words, dim + 2), and AdaGrad's sums of squares.

    The last two columns are the bias and the number that meets the other side's bias, a constant 1, so that one
    product gives w . c + b + b'.
    """

    vectors: NDArray[np.float32]
    squares: NDArray[np.float32]

    @classmethod
    def start(cls, words: int, dim: int, random: np.random.Generator) -> _Side:
        """Small random numbers, as the paper's program begins."""
        vectors = ((random.random((words, dim + 2), dtype=np.float32) - 0.5) / dim).astype(np.float32)
        vectors[:, -1] = 1.0
        return cls(vectors, np.ones_like(vectors))

    def seen_by_the_other(self) -> NDArray[np.float32]:
        """The vectors with bias and constant in each other's place."""
        turned = self.vectors.copy()
        turned[:, -2:] = turned[:, :-3:-1]
        return turned

    def descend(self, gradient: NDArray[np.float32], rate: float) -> None:
        """One step of AdaGrad; the constant stays."""
        gradient[:, -1] = 0.0
        self.squares += gradient * gradient
        self.vectors -= rate * gradient / np.sqrt(self.squares)


def _step(
    words: _Side,
    contexts: _Side,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    logs: NDArray[np.float32],
    weights: NDArray[np.float32],
    rate: float,
) -> float:
    """One step on some pairs; the sum of their weighted squared errors before it."""
    from scipy.sparse import csr_matrix

    other = contexts.seen_by_the_other()
    errors = np.einsum("ij,ij->i", words.vectors[rows], other[columns]) - logs
    pulls = weights * errors
    size = len(words.vectors)
    field = csr_matrix((pulls, (rows, columns)), shape=(size, size))
    to_words = field @ other
    to_contexts = field.T.tocsr() @ words.seen_by_the_other()
    words.descend(to_words, rate)
    contexts.descend(to_contexts, rate)
    return float(pulls @ errors)
