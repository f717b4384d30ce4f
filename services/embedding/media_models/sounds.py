"""Sounds brought to the rate a model wants."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from services.embedding.media import Sound
from services.errors import InvalidInput

MIN_RATE, MAX_RATE = 1_000, 768_000


def at_rate(sound: Sound, rate: int, number: int = 0) -> NDArray[np.float32]:
    """The samples at ``rate``, at least one of them; what is no number is silence.

    Args:
        number: the sound's place in the call, for the error.

    Raises:
        InvalidInput: code "bad-sound", no mono float32 samples or a rate that nothing records at.
    """
    samples = sound.samples
    if samples.dtype != np.float32 or samples.ndim != 1 or not MIN_RATE <= sound.rate <= MAX_RATE:
        raise InvalidInput(
            f"sound {number} is an array of {samples.dtype} and shape {samples.shape} at {sound.rate} Hz; allowed is "
            f"mono float32 of shape (n,) at {MIN_RATE:,} to {MAX_RATE:,} Hz",
            code="bad-sound",
        )
    if not samples.size:
        return np.zeros(1, dtype=np.float32)
    clean = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    if sound.rate == rate:
        return clean
    from scipy.signal import resample_poly

    common = gcd(sound.rate, rate)
    return np.asarray(resample_poly(clean, rate // common, sound.rate // common), dtype=np.float32)


def sample_sound(rate: int, seconds: float = 0.5) -> Sound:
    """A short chord to try a model with."""
    time = np.arange(int(rate * seconds), dtype=np.float64) / rate
    chord = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 660 * time)
    return Sound(chord.astype(np.float32), rate)
