"""Cepstral features: against a second writing of the formula, and by what they are for."""

from __future__ import annotations

import numpy as np

from services.embedding.media import Sound
from services.embedding.media_models.mel import COEFFICIENTS, FFT, FILTERS, FRAME, HOP, RATE, deltas, mel_filters, mfcc
from services.embedding.media_models.mfcc import MfccEmbedder
from services.embedding.media_models.mfcc_scale import CENTRE, SPREAD
from services.embedding.media_models.reference_sounds import reference_sounds, scale
from services.embedding.registry import ModelRegistry
from tests.media_samples import sound


def _embedder() -> MfccEmbedder:
    found = ModelRegistry().load("mfcc")
    assert isinstance(found, MfccEmbedder)
    return found


def _slow_frame(samples: np.ndarray) -> np.ndarray:
    """Coefficients of the first frame, written out sum by sum."""
    emphasised = [float(samples[0])] + [float(samples[n] - 0.97 * samples[n - 1]) for n in range(1, FRAME)]
    window = [0.54 - 0.46 * np.cos(2 * np.pi * n / (FRAME - 1)) for n in range(FRAME)]
    shaped = np.array([value * weight for value, weight in zip(emphasised, window, strict=True)])
    angles = -2j * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(FRAME)) / FFT
    power = np.abs(np.exp(angles) @ shaped) ** 2 / FFT
    energies = [np.log(max(1e-10, float(row @ power))) for row in mel_filters()]
    found = []
    for k in range(COEFFICIENTS):
        total = sum(energy * np.cos(np.pi * k * (2 * n + 1) / (2 * FILTERS)) for n, energy in enumerate(energies))
        found.append(total * np.sqrt((1 if k == 0 else 2) / FILTERS))
    return np.array(found)


def test_coefficients_follow_the_formula() -> None:
    heard = sound(330)
    found = mfcc(heard.samples)
    assert found.shape == ((len(heard.samples) - FRAME) // HOP + 1, COEFFICIENTS)
    np.testing.assert_allclose(found[0], _slow_frame(heard.samples.astype(np.float64)), atol=1e-6)
    later = mfcc(heard.samples[HOP * 7 - 1 :][1:])  # frames are independent of each other but for one sample
    np.testing.assert_allclose(later[1:4], found[8:11], atol=1e-9)


def test_each_filter_is_a_triangle_between_its_neighbours() -> None:
    filters = mel_filters()
    assert filters.shape == (FILTERS, FFT // 2 + 1)
    assert (filters >= 0).all()
    assert (filters.max(axis=1) > 0.3).all()
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()


def test_the_slope_of_a_line_is_its_slope() -> None:
    ramp = np.arange(20, dtype=np.float64)[:, None] * np.array([[1.0, -3.0]])
    np.testing.assert_allclose(deltas(ramp)[2:-2], np.tile([1.0, -3.0], (16, 1)), atol=1e-12)


def test_the_constants_are_those_of_the_reference_sounds() -> None:
    assert len(list(reference_sounds())) == 78
    for found, kept in zip(scale(), (CENTRE, SPREAD), strict=True):
        np.testing.assert_allclose(found, kept, rtol=1e-3, atol=1e-3)


def test_like_sounds_are_near_each_other_at_any_rate() -> None:
    generator = np.random.default_rng(1)
    noise = Sound((0.2 * generator.standard_normal(RATE)).astype(np.float32), RATE)
    other_noise = Sound((0.15 * generator.standard_normal(RATE)).astype(np.float32), RATE)
    low, low_again, high = sound(150), sound(155, 1.5, 44_100), sound(2_000)
    vectors = _embedder().embed_sounds([noise, other_noise, low, low_again, high])
    likeness = vectors @ vectors.T
    assert likeness[0, 1] > 0.95
    assert likeness[2, 3] > 0.9
    assert likeness[2, 3] > likeness[2, 4] + 0.2
    assert likeness[0, 1] > likeness[0, 2] + 0.3
