"""Vectors at the border of the index: checked before a write, turned to bytes and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.collections.values import VectorType
from services.errors import InvalidInput

# Redis reads vectors in the byte order of the machine it was built for; the format is fixed here to little endian.
_DTYPES: dict[VectorType, np.dtype[np.float32] | np.dtype[np.float16]] = {
    VectorType.FLOAT32: np.dtype("<f4"),
    VectorType.FLOAT16: np.dtype("<f2"),
}
_NEXT_STEP = "embed the text again with the collection's model, or create a collection for the model in use"


def check_vectors(vectors: NDArray[np.float32], dim: int) -> None:
    """Refuses vectors that would poison an index.

    Args:
        vectors: shape (dim,) or (n, dim).
        dim: numbers per vector that the collection needs.

    Raises:
        InvalidInput: code "bad-vector": a wrong number of numbers, a NaN or an infinity, or a norm that is 0 in
            float32 (the engine's cosine would be NaN). Says which row.
    """
    if vectors.ndim not in (1, 2):
        raise _bad(f"an array of {vectors.ndim} dimensions was given, allowed is one vector or a list of them")
    if vectors.shape[-1] != dim:
        raise _bad(f"a vector of {vectors.shape[-1]} numbers was given, the collection needs {dim}")
    rows = np.atleast_2d(vectors)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise _bad(f"vector {int(np.argmin(finite))} holds a NaN or an infinity, allowed are finite numbers")
    with np.errstate(over="ignore", under="ignore"):
        squares = np.square(rows, dtype=np.float32).sum(axis=1)
    usable = (squares >= np.finfo(np.float32).tiny) & np.isfinite(squares)
    if not usable.all():
        raise _bad(f"vector {int(np.argmin(usable))} has no direction: its length is 0 or beyond float32")


def to_bytes(vector: NDArray[np.float32], vector_type: VectorType) -> bytes:
    """The bytes that the index stores for one vector, little endian.

    Args:
        vector: shape (dim,).
        vector_type: float16 keeps 11 bits of each number: unit vectors move by at most 0.0005 of their length.

    Raises:
        InvalidInput: code "bad-vector", the type cannot hold the vector: a number over 65,504 in float16,
            or all numbers so small that they become 0.
    """
    with np.errstate(over="ignore", under="ignore"):
        stored = np.asarray(vector).astype(_DTYPES[vector_type])
    if not np.isfinite(stored).all() or not stored.any():
        raise _bad(f"the vector does not fit {vector_type}: its numbers are too large or all too small")
    return stored.tobytes()


def from_bytes(data: bytes, vector_type: VectorType) -> NDArray[np.float32]:
    """The vector of ``to_bytes``: float32, shape (dim,), writable.

    Raises:
        InvalidInput: code "bad-vector", the bytes are not a whole number of that type's numbers.
    """
    dtype = _DTYPES[vector_type]
    if len(data) % dtype.itemsize:
        raise _bad(f"{len(data)} bytes are not a whole number of {vector_type} numbers of {dtype.itemsize} bytes")
    return np.frombuffer(data, dtype=dtype).astype(np.float32)


def _bad(what: str) -> InvalidInput:
    return InvalidInput(f"{what}; {_NEXT_STEP}", code="bad-vector")
