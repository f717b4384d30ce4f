"""Truncated singular value decomposition of large sparse matrices that stops when it is told to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse

_OVERSAMPLES = 10
_POWER_ITERATIONS = 4
_BLOCK_ENTRIES = 100_000
"""Stored numbers per product: with 500 columns 0.1 s, so that the caller hears of us."""


def truncated_svd(
    matrix: Any, dim: int, pulse: Pulse, *, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The largest singular values of a matrix and their vectors.

    The randomised method of Halko, Martinsson and Tropp (2011, "Finding structure with randomness", algorithms 4.4
    and 5.1), as in scikit-learn's TruncatedSVD, which cannot be stopped while it works.

    Args:
        matrix: scipy CSR of shape (rows, columns).
        dim: how many; at most ``min(matrix.shape)``.

    Returns:
        (left, values, right): shapes (rows, dim), (dim,) falling, (dim, columns). Signs are fixed: the largest
        number of a right vector is positive.
    """
    forward = matrix.astype(np.float32)
    back = forward.T.tocsr()
    width = min(dim + _OVERSAMPLES, *matrix.shape)
    start = np.random.Generator(np.random.PCG64(seed)).standard_normal((matrix.shape[1], width), dtype=np.float32)
    basis = _scaled(multiply(forward, start, pulse), pulse)
    for _ in range(_POWER_ITERATIONS):
        basis = _scaled(multiply(back, basis, pulse), pulse)
        basis = _scaled(multiply(forward, basis, pulse), pulse)
    left = _orthonormal(_orthonormal(basis.astype(np.float64), pulse), pulse)
    small = multiply(back, left.astype(np.float32), pulse).T.astype(np.float64)
    # By the Gram matrix of (dim, dim) instead of an SVD of (dim, columns): exact enough where values do not differ
    # by more than 1e7, and an order of magnitude less work.
    squares, inner = np.linalg.eigh(small @ small.T)
    pulse.beat()
    squares, inner = np.maximum(squares[::-1][:dim], 0.0), inner[:, ::-1][:, :dim]
    values = np.sqrt(squares)
    right = (inner / np.maximum(values, values[0] * 1e-9 + np.finfo(np.float64).tiny)).T @ small
    left = left @ inner
    pulse.beat()
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    signs[signs == 0] = 1.0
    return left * signs, values, right * signs[:, None]


def multiply(matrix: Any, dense: NDArray[np.float32], pulse: Pulse) -> NDArray[np.float32]:
    """``matrix @ dense``, in blocks of rows."""
    product = np.empty((matrix.shape[0], dense.shape[1]), dtype=np.float32)
    starts = matrix.indptr
    row = 0
    while row < matrix.shape[0]:
        end = int(np.searchsorted(starts, starts[row] + _BLOCK_ENTRIES, side="right")) - 1
        end = min(max(end, row + 1), matrix.shape[0])
        product[row:end] = matrix[row:end] @ dense
        row = end
        pulse.beat()
    return product


def _scaled(matrix: NDArray[np.float32], pulse: Pulse) -> NDArray[np.float32]:
    """Columns spanning nearly the same space at right angles, so that the next power does not drown the small ones.

    By a shifted Cholesky factor of the Gram matrix: two products, where QR takes four times as long. It need not be
    exact here, the last basis is.
    """
    gram = (matrix.T @ matrix).astype(np.float64)
    pulse.beat()
    size = len(gram)
    shift = max(float(np.trace(gram)) * 1e-7, float(np.finfo(np.float32).tiny))
    turn = np.linalg.inv(np.linalg.cholesky(gram + shift * np.eye(size))).T
    result: NDArray[np.float32] = matrix @ turn.astype(np.float32)
    pulse.beat()
    return result


def _orthonormal(matrix: NDArray[np.float64], pulse: Pulse) -> NDArray[np.float64]:
    """Columns of length 1 at right angles; where the rank is less than their number, the rest is next to zero."""
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    pulse.beat()
    floor = max(float(values[-1]) * 1e-12, float(np.finfo(np.float64).tiny))
    result: NDArray[np.float64] = matrix @ (vectors / np.sqrt(np.maximum(values, floor)))
    pulse.beat()
    return result
