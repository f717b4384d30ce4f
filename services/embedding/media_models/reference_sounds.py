"""The sounds by which cepstral statistics are standardised: made by formula, the same on every machine, for ever.

No recording is needed, and none could be shipped. They span what sounds differ in: pitch, brightness, noisiness,
rhythm and loudness. ``scale`` makes the constants in ``mfcc_scale`` again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from services.embedding.media_models.mel import RATE

_SECONDS = 1.0
_PITCHES_HZ = (55.0, 110.0, 220.0, 440.0, 880.0, 1760.0, 3520.0)
_TILTS = (0.0, 0.5, 0.9, 0.99)
_BEATS_HZ = (0.0, 2.0, 8.0)
_LOUDNESS = (0.02, 0.5)


def reference_sounds() -> Iterator[NDArray[np.float32]]:
    """78 sounds of one second: tones with overtones, sweeps and coloured noises; steady and beating, soft and loud."""
    time = np.arange(int(RATE * _SECONDS)) / RATE
    for loudness in _LOUDNESS:
        for beat in _BEATS_HZ:
            envelope = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * beat * time + 0.1)) if beat else np.ones_like(time)
            for wave in _waves(time):
                yield (loudness * envelope * wave / np.abs(wave).max()).astype(np.float32)


def _waves(time: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for pitch in _PITCHES_HZ:
        overtones = range(1, max(2, int(7000 / pitch)))
        yield np.asarray(sum(np.sin(2 * np.pi * pitch * n * time) / n for n in overtones))
    for low, high in ((100.0, 1000.0), (1000.0, 7000.0)):
        yield np.sin(2 * np.pi * (low * time + (high - low) * time**2 / 2))
    for tilt in _TILTS:
        yield np.asarray(lfilter([1.0], [1.0, -tilt], _noise(len(time))))


def _noise(count: int) -> NDArray[np.float64]:
    """White noise from a hash, as no library's generator promises the same numbers in its next version."""
    digests = b"".join(hashlib.blake2b(n.to_bytes(4, "big"), digest_size=64).digest() for n in range(count // 32 + 1))
    return np.frombuffer(digests, "<u2")[:count] / 32768.0 - 1.0


def scale() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every statistic over the reference sounds: what ``mfcc_scale`` holds."""
    from services.embedding.media_models.mfcc import statistics

    found = np.array([statistics(sound) for sound in reference_sounds()])
    return found.mean(axis=0), found.std(axis=0)
