"""Mel-frequency cepstral coefficients with numpy and scipy alone.

The steps and their constants are those of S. Davis and P. Mermelstein, "Comparison of parametric representations for
monosyllabic word recognition" (IEEE Trans. ASSP 28(4), 1980); mel scale, pre-emphasis and the regression formula of the
deltas are those of the HTK Book (sections 5.2, 5.4, 5.9): mel(f) = 2595 log10(1 + f / 700).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

RATE = 16_000
FRAME, HOP, FFT = 400, 160, 512
"""25 ms every 10 ms."""
FILTERS, LOWEST_HZ, HIGHEST_HZ = 40, 20.0, 8_000.0
COEFFICIENTS = 20
_PREEMPHASIS = 0.97
_FLOOR = 1e-10  # -100 dB: what lies below is silence
_DELTA_REACH = 2
_BLOCK_FRAMES = 2_000  # 20 s: 16 MB of spectra at a time


def mfcc(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Coefficients 0 to 19 of each frame: shape (frames, 20); at least one frame, of silence where there is none.

    Args:
        samples: mono at ``RATE``.
    """
    emphasised = np.asarray(samples, dtype=np.float64)
    emphasised = np.concatenate([emphasised[:1], emphasised[1:] - _PREEMPHASIS * emphasised[:-1]])
    if len(emphasised) < FRAME:
        emphasised = np.pad(emphasised, (0, FRAME - len(emphasised)))
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, FRAME)[::HOP]
    blocks = [_cepstra(frames[start : start + _BLOCK_FRAMES]) for start in range(0, len(frames), _BLOCK_FRAMES)]
    return np.concatenate(blocks)


def deltas(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """How the coefficients move: the slope of a line through two frames before and two behind; the edges repeat."""
    reach = _DELTA_REACH
    padded = np.pad(coefficients, ((reach, reach), (0, 0)), mode="edge")
    count = len(coefficients)
    moved = sum(
        step * (padded[reach + step : reach + step + count] - padded[reach - step : reach - step + count])
        for step in range(1, reach + 1)
    )
    return np.asarray(moved / (2 * sum(step * step for step in range(1, reach + 1))))


def _cepstra(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(frames * np.hamming(FRAME), FFT)) ** 2 / FFT
    energies = np.log(np.maximum(power @ mel_filters().T, _FLOOR))
    found: NDArray[np.float64] = dct(energies, type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    return found


@cache
def mel_filters() -> NDArray[np.float64]:
    """Triangles of height 1, evenly spaced on the mel scale: shape (40, 257)."""
    edges = _hertz(np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), FILTERS + 2))
    bins = np.arange(FFT // 2 + 1) * RATE / FFT
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    filters = np.maximum(0.0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    filters.setflags(write=False)
    return filters


def _mel(hertz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
