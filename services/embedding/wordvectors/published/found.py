"""What a reader of published word vectors gives back, and how it refuses a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.errors import ModelError

MAX_DIM = 4096
MAX_WORDS = 10_000_000
"""The largest published sets have 3 million."""
MAX_WORD_BYTES = 1024
MAX_TABLE_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Published:
    """Word vectors out of a file.

    Attributes:
        family: what they were trained as, as far as the file says: a name in ``FAMILIES``.
        words: in the order of the file, most frequent first as all published sets are; without repeats.
        vectors: float32, shape (words, dim).
        counts: how often each word occurred; None where the file does not say.
        subwords: float32, shape (buckets, dim), for files with pieces of words.
        grams: (shortest, longest) piece, with ``subwords``.
    """

    family: str
    words: list[str]
    vectors: NDArray[np.float32]
    counts: NDArray[np.float64] | None = None
    subwords: NDArray[np.float32] | None = None
    grams: tuple[int, int] = (0, 0)


def unreadable(path: Path, why: str) -> ModelError:
    """The error of a file that is broken or not one of word vectors."""
    return ModelError(
        f"{path} cannot be read as word vectors: {why}; read are GloVe .txt, word2vec text and .bin, and fastText .vec "
        "and .bin (text also as .gz): download the file again, or convert it to one of these",
        code="model-unreadable",
    )


def check_shape(path: Path, words: int, dim: int) -> None:
    """Refuses counts that no published file has, before memory is taken for them.

    Raises:
        ModelError: code "model-unreadable".
    """
    if not 1 <= words <= MAX_WORDS:
        raise unreadable(path, f"it promises {words:,} words, allowed are 1 to {MAX_WORDS:,}")
    if not 1 <= dim <= MAX_DIM:
        raise unreadable(path, f"it promises {dim:,} numbers a word, allowed are 1 to {MAX_DIM:,}")


def check_size(path: Path, rows: int, dim: int) -> None:
    """Refuses tables too large to be held.

    Raises:
        ModelError: code "model-unreadable".
    """
    if rows * dim * 4 > MAX_TABLE_BYTES:
        raise unreadable(
            path,
            f"{rows:,} vectors of {dim} numbers are {rows * dim * 4 / 1024**3:.1f} GiB, allowed are "
            f"{MAX_TABLE_BYTES / 1024**3:.0f} GiB; take fewer words",
        )


def check_numbers(path: Path, vectors: NDArray[np.float32], what: str) -> None:
    """Refuses NaN and infinity.

    Raises:
        ModelError: code "model-unreadable".
    """
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise unreadable(path, f"{what} {int(np.argmin(finite)) + 1} holds a NaN or an infinity")
