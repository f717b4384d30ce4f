"""Sounds without a model: how their spectrum looks and moves, in 60 numbers. It knows timbre, and no meaning.

Of each of 20 cepstral coefficients: its mean over time, its standard deviation over time, and the standard deviation of
its slope. Each number is standardised by what 78 reference sounds have (``reference_sounds``), so that loudness, which
is the largest number by far, does not decide alone; then the vector gets length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.media import Sound
from services.embedding.media_models.mel import RATE, deltas, mfcc
from services.embedding.media_models.mfcc_scale import CENTRE, SPREAD
from services.embedding.media_models.sides import NoPictures, NoTexts
from services.embedding.media_models.sounds import at_rate
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.embedding.words import WordCounter

_CENTRE, _SPREAD = np.array(CENTRE), np.array(SPREAD)


class MfccEmbedder(NoTexts, NoPictures):
    """A ``MediaEmbedder`` of sounds that needs numpy and scipy only."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.runtime = Runtime("numpy", "fp64", "a formula, no model")
        self.tokens = WordCounter()

    def embed_sounds(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:
        """See ``MediaEmbedder.embed_sounds``."""
        found = np.empty((len(sounds), self.spec.dim), dtype=np.float64)
        for row, sound in enumerate(sounds):
            found[row] = (statistics(at_rate(sound, RATE, row)) - _CENTRE) / _SPREAD
        return unit_rows(found)


def statistics(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """The 60 numbers of a sound at ``RATE`` before they are standardised."""
    coefficients = mfcc(samples)
    return np.concatenate([coefficients.mean(axis=0), coefficients.std(axis=0), deltas(coefficients).std(axis=0)])


def load_mfcc(spec: ModelSpec, folder: Path, options: LoadOptions) -> MfccEmbedder:  # noqa: ARG001
    """The family's loader: there is nothing to load."""
    return MfccEmbedder(spec)
