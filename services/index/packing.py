"""Vectors on their way into the index: checked, then as bytes. What fails here never reaches Redis.

The Query Engine takes a vector of the wrong length without an error and drops the whole document from the index; NaN
damages the graph for every other document.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.collections.values import Collection
from services.embedding.vectors import check_vectors, to_bytes


def pack_vectors(vectors: Sequence[NDArray[np.float32]], collection: Collection) -> list[bytes]:
    """The bytes of each vector in the collection's number type.

    Args:
        vectors: each of shape (dim,); their own lengths are checked one by one, as they may differ.
        collection: sets length and number type.

    Raises:
        InvalidInput: code "bad-vector": another length, a number that is not finite, or a length of zero, before or
            after rounding to the number type.
    """
    for vector in vectors:
        check_vectors(vector, collection.dim)
    return [to_bytes(vector, collection.vector_type) for vector in vectors]


def pack_vector(vector: NDArray[np.float32], collection: Collection) -> bytes:
    """The bytes of one vector; errors as in ``pack_vectors``."""
    return pack_vectors([vector], collection)[0]
