"""Vectors in a quarter or a thirty-second of their memory: int8 and binary codes, search over them, and rescoring.

- int8: each number divided by its dimension's scale, rounded: c = round(127 x / m), m the largest |x| of a sample in
  that dimension (symmetric scalar quantisation; Jacob et al., 2018, "Quantization and training of neural networks").
- binary: the signs. Between unit vectors x and y the Hamming distance h of the signs of their d numbers estimates the
  angle, pi h / d (exactly so for random rotations: Charikar, 2002, "Similarity estimation techniques").
- rescoring: the best k x factor by Hamming distance are sorted again by the product of the float query with more exact
  codes of the documents: signs alone, int8 or floats (Yamada et al., 2021, "Efficient passage retrieval with hashing").

These are arrays in memory, for evaluation and for ``/v1/embeddings``. The index does not hold such codes: Redis 7.4
stores FLOAT32, FLOAT64, FLOAT16 and BFLOAT16 vectors; INT8 and UINT8 came with Redis 8.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.errors import InvalidInput

Floats = NDArray[np.float32]
MOST = 127
_BLOCK_ROWS = 8192
"""Documents compared at once: 25 MB of floats of 768 numbers."""


class CodeType(StrEnum):
    """What a vector can be sent as instead of floats."""

    INT8 = "int8"
    UBINARY = "ubinary"


def output_codes(vectors: Floats, kind: CodeType) -> NDArray[np.int8] | NDArray[np.uint8]:
    """Codes that need nothing but the vector itself, as ``/v1/embeddings`` can send them.

    int8: scaled so that the vector's largest number becomes 127 or -127. The scale differs by vector, so they are
    compared by cosine and not by product. ubinary: a bit per number, 1 for above 0, first number in the highest bit.

    Args:
        vectors: shape (n, dim), finite.

    Returns:
        int8 of shape (n, dim), or uint8 of shape (n, ceil(dim / 8)).
    """
    if kind is CodeType.UBINARY:
        return binary_codes(vectors)
    largest = np.abs(vectors).max(axis=1, initial=0.0, keepdims=True)
    scaled = vectors * (MOST / np.where(largest > 0, largest, 1.0))
    codes: NDArray[np.int8] = np.rint(scaled).astype(np.int8)
    return codes


def calibrate_int8(sample: Floats) -> Floats:
    """The scale of each dimension: its largest number in a sample, by 127.

    Args:
        sample: shape (n, dim), n at least 1; 1,000 vectors of the collection are enough. Larger numbers of other
            vectors are cut.

    Returns:
        shape (dim,), above 0.

    Raises:
        InvalidInput: code "bad-vector", there is no sample.
    """
    if sample.ndim != 2 or not len(sample):
        raise InvalidInput(
            f"an array of shape {sample.shape} was given to calibrate int8 codes, needed is a list of vectors; embed "
            "some texts of the collection first",
            code="bad-vector",
        )
    largest = np.abs(sample).max(axis=0)
    scale: Floats = (np.where(largest > 0, largest, 1.0) / MOST).astype(np.float32)
    return scale


def int8_codes(vectors: Floats, scale: Floats) -> NDArray[np.int8]:
    """Codes under a calibrated scale; int8, shape (n, dim)."""
    codes: NDArray[np.int8] = np.clip(np.rint(vectors / scale), -MOST, MOST).astype(np.int8)
    return codes


def binary_codes(vectors: Floats) -> NDArray[np.uint8]:
    """A bit per number, 1 for above 0; uint8, shape (n, ceil(dim / 8))."""
    return np.packbits(vectors > 0, axis=1)


def search_int8(queries: Floats, codes: NDArray[np.int8], scale: Floats, k: int) -> NDArray[np.int64]:
    """The best documents by the product of float queries with int8 codes.

    Args:
        queries: shape (q, dim).
        codes: shape (n, dim), from ``int8_codes``.

    Returns:
        positions, best first, equal ones in their order; shape (q, min(k, n)).
    """
    scores = np.empty((len(queries), len(codes)), dtype=np.float32)
    scaled = queries * scale
    for start in range(0, len(codes), _BLOCK_ROWS):
        block = codes[start : start + _BLOCK_ROWS].astype(np.float32)
        scores[:, start : start + _BLOCK_ROWS] = scaled @ block.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def hamming_distances(queries: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Bits in which codes differ.

    Args:
        queries: shape (q, bytes).
        codes: shape (n, bytes).

    Returns:
        shape (q, n).
    """
    left, right = _words(queries), _words(codes)
    distances = np.empty((len(left), len(right)), dtype=np.int32)
    for row, query in enumerate(left):
        distances[row] = np.bitwise_count(right ^ query).sum(axis=1, dtype=np.int32)
    return distances


def search_binary(queries: NDArray[np.uint8], codes: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """The nearest documents by Hamming distance: positions, nearest first, shape (q, min(k, n))."""
    return np.argsort(hamming_distances(queries, codes), axis=1, kind="stable")[:, :k]


def rescored(
    queries: Floats, candidates: NDArray[np.int64], documents: Floats | NDArray[np.int8], scale: Floats | None, k: int
) -> NDArray[np.int64]:
    """Candidates sorted by their product with the float query.

    Args:
        queries: shape (q, dim).
        candidates: positions of documents, shape (q, c).
        documents: float32, or int8 codes with their ``scale``, shape (n, dim).
        k: how many are kept of each row.

    Returns:
        positions, best first, shape (q, min(k, c)).
    """
    kept = np.empty((len(queries), min(k, candidates.shape[1])), dtype=np.int64)
    for row, (query, found) in enumerate(zip(queries, candidates, strict=True)):
        against = query if scale is None else query * scale
        scores = documents[found].astype(np.float32) @ against
        kept[row] = found[np.argsort(-scores, kind="stable")[:k]]
    return kept


def signs(codes: NDArray[np.uint8], dim: int) -> NDArray[np.int8]:
    """Binary codes as documents to rescore with: 1 and -1; int8, shape (n, dim)."""
    bits = np.unpackbits(codes, axis=1, count=dim).astype(np.int8)
    return bits * np.int8(2) - np.int8(1)


def _words(codes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Eight bytes in one number, filled up with zeros: counted eight times as fast."""
    missing = -codes.shape[1] % 8
    padded = np.pad(codes, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(codes)
    return padded.view(np.uint64)
