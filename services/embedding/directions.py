"""Rows as unit vectors, whatever they were made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NOTHING = 1e-9


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The rows with length 1; a row without a direction, such as a text without a known word, gets a fixed one.

    Args:
        vectors: shape (n, dim), finite.

    Returns:
        float32 of the same shape.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    empty = lengths < _NOTHING
    # Divided as they are, so that a row does not depend on its neighbours; empty ones are replaced just below.
    units = rows / np.where(empty, 1.0, lengths)[:, None]
    units[empty] = fixed_direction(rows.shape[1])
    return units.astype(np.float32)


def fixed_direction(dim: int) -> NDArray[np.float64]:
    """A unit vector of alternating signs: nearly at right angles to whatever has learned something."""
    signs: NDArray[np.float64] = np.where(np.arange(dim) % 2 == 0, 1.0, -1.0)
    return signs / float(np.sqrt(dim))
