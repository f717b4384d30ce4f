"""Pictures and sounds on their way to a model: decoded elsewhere (in the sandbox), checked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.embedding.protocol import Embedder


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: uint8, shape (height, width, 3), RGB."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sound:
    """Decoded sound: float32 mono samples between -1 and 1, shape (n,), and their rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


class MediaEmbedder(Embedder, Protocol):
    """A model that embeds more than text; ``spec.modalities`` says what.

    A model without "text" in its modalities refuses texts with InvalidInput, code "no-text-side".
    """

    def embed_pictures(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Vectors of pictures: float32, shape (len(pictures), spec.dim), length 1 each.

        Raises:
            InvalidInput: code "unsupported-modality", the model does not embed pictures.
        """
        ...

    def embed_sounds(self, sounds: Sequence[Sound]) -> NDArray[np.float32]:
        """Vectors of sounds; as ``embed_pictures``."""
        ...
