from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.collections.values import VectorType
from services.embedding.vectors import check_vectors, from_bytes, to_bytes
from services.errors import InvalidInput

ROOT = st.floats(-1, 1, width=32, allow_subnormal=False)


def unit(numbers: list[float]) -> NDArray[np.float32]:
    vector = np.asarray(numbers, dtype=np.float64)
    length = np.linalg.norm(vector)
    return (vector / length).astype(np.float32) if length > 1e-6 else np.eye(len(numbers), dtype=np.float32)[0]


@given(
    numbers=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40).filter(any)
)
def test_float32_bytes_come_back_bit_for_bit(numbers: list[float]) -> None:
    vector = np.asarray(numbers, dtype=np.float32)
    data = to_bytes(vector, VectorType.FLOAT32)
    assert len(data) == 4 * len(numbers)
    assert from_bytes(data, VectorType.FLOAT32).tobytes() == vector.tobytes()


@given(numbers=st.lists(ROOT, min_size=1, max_size=400))
def test_float16_bytes_keep_a_unit_vectors_direction(numbers: list[float]) -> None:
    vector = unit(numbers)
    data = to_bytes(vector, VectorType.FLOAT16)
    back = from_bytes(data, VectorType.FLOAT16)
    assert len(data) == 2 * len(numbers)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, vector, rtol=2**-11, atol=2**-25)
    assert float(back @ vector) / float(np.linalg.norm(back)) > 1 - 1e-6
    assert to_bytes(back, VectorType.FLOAT16) == data


def test_bytes_are_little_endian() -> None:
    assert to_bytes(np.array([1.0], dtype=np.float32), VectorType.FLOAT32) == b"\x00\x00\x80\x3f"
    assert to_bytes(np.array([1.0], dtype=">f4"), VectorType.FLOAT16) == b"\x00\x3c"


@pytest.mark.parametrize("number", [70_000.0, 1e-9, float("nan"), 0.0])
def test_float16_refuses_what_it_cannot_hold(number: float) -> None:
    with pytest.raises(InvalidInput, match="float16") as refused:
        to_bytes(np.array([number, number], dtype=np.float32), VectorType.FLOAT16)
    assert refused.value.code == "bad-vector"


def test_a_broken_row_of_bytes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="7 bytes"):
        from_bytes(b"1234567", VectorType.FLOAT32)


GOOD = np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32)


def test_good_vectors_pass_alone_and_in_rows() -> None:
    check_vectors(GOOD, 2)
    check_vectors(GOOD[0], 2)
    check_vectors(np.empty((0, 2), dtype=np.float32), 2)


@pytest.mark.parametrize(
    ("vectors", "dim", "message"),
    [
        (GOOD, 3, "2 numbers was given, the collection needs 3"),
        (np.ones(383, dtype=np.float32), 384, "383"),
        (np.ones((2, 2, 2), dtype=np.float32), 2, "3 dimensions"),
        (np.float32(1.0).reshape(()), 1, "0 dimensions"),
        (np.array([[1, 0], [np.nan, 1]], dtype=np.float32), 2, "vector 1 holds a NaN"),
        (np.array([[np.inf, 0]], dtype=np.float32), 2, "vector 0 holds a NaN or an infinity"),
        (np.array([[1, 0], [1, 1], [0, 0]], dtype=np.float32), 2, "vector 2 has no direction"),
        (np.array([[1e-30, 1e-30]], dtype=np.float32), 2, "vector 0 has no direction"),
        (np.array([[3e38, 3e38]], dtype=np.float32), 2, "vector 0 has no direction"),
    ],
)
def test_bad_vectors_are_refused(vectors: NDArray[np.float32], dim: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        check_vectors(vectors, dim)
    assert refused.value.code == "bad-vector"
    assert "embed the text again" in refused.value.message
