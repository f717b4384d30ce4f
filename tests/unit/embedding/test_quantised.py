"""int8 and binary codes: what they are, what they keep, and rescoring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedding.quantised import (
    CodeType,
    binary_codes,
    calibrate_int8,
    hamming_distances,
    int8_codes,
    output_codes,
    rescored,
    search_binary,
    search_int8,
    signs,
)
from services.errors import InvalidInput


def unit(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_int8_codes_are_within_half_a_step() -> None:
    vectors = unit(200, 33)
    scale = calibrate_int8(vectors)
    codes = int8_codes(vectors, scale)
    assert codes.dtype == np.int8
    assert np.abs(codes * scale - vectors).max() <= scale.max() / 2 + 1e-7
    assert np.abs(codes).max() == 127


def test_what_the_sample_did_not_show_is_cut() -> None:
    codes = int8_codes(np.array([[4.0, -4.0]], dtype=np.float32), calibrate_int8(np.ones((1, 2), dtype=np.float32)))
    assert codes.tolist() == [[127, -127]]


def test_a_dimension_of_zeros_has_a_scale() -> None:
    assert (calibrate_int8(np.zeros((3, 4), dtype=np.float32)) > 0).all()


def test_no_sample_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        calibrate_int8(np.empty((0, 4), dtype=np.float32))
    assert refused.value.code == "bad-vector"


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70), st.integers(0, 1000))
def test_hamming_distance_counts_differing_signs(dim: int, seed: int) -> None:
    left, right = unit(3, dim, seed), unit(5, dim, seed + 1)
    expected = ((left > 0)[:, None, :] != (right > 0)[None, :, :]).sum(axis=2)
    assert (hamming_distances(binary_codes(left), binary_codes(right)) == expected).all()
    assert (signs(binary_codes(left), dim) == np.where(left > 0, 1, -1)).all()


def test_codes_to_send_need_nothing_else() -> None:
    vectors = unit(7, 20)
    bytes_ = output_codes(vectors, CodeType.UBINARY)
    assert bytes_.shape == (7, 3)
    assert bytes_[0, 0] >> 7 == int(vectors[0, 0] > 0)
    numbers = output_codes(vectors, CodeType.INT8)
    assert numbers.dtype == np.int8
    assert (np.abs(numbers.astype(int)).max(axis=1) == 127).all()
    cosines = (numbers * vectors).sum(axis=1) / np.linalg.norm(numbers.astype(float), axis=1)
    assert cosines.min() > 0.999
    assert output_codes(np.zeros((1, 8), dtype=np.float32), CodeType.INT8).tolist() == [[0] * 8]
    assert output_codes(vectors[:0], CodeType.INT8).shape == (0, 20)


def test_rescoring_brings_back_what_signs_lose() -> None:
    documents, queries = unit(2000, 64, 1), unit(40, 64, 2)
    exact = np.argsort(-(queries @ documents.T), axis=1)[:, :10]

    def recall(found: np.ndarray) -> float:
        return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)]))

    scale = calibrate_int8(documents)
    codes = int8_codes(documents, scale)
    bits = binary_codes(documents)
    plain = search_binary(binary_codes(queries), bits, 10)
    many = search_binary(binary_codes(queries), bits, 400)
    assert plain.shape == (40, 10)
    assert recall(search_int8(queries, codes, scale, 10)) > 0.95
    assert recall(plain) < 0.5
    by_signs = recall(rescored(queries, many, signs(bits, 64), None, 10))
    by_int8 = recall(rescored(queries, many, codes, scale, 10))
    assert recall(plain) < by_signs < by_int8
    assert by_int8 > 0.85
