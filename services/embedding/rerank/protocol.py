"""What a reranker must do, and what is known of one without loading it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SPLADE = "splade"
COLBERT = "colbert"
CROSS_ENCODER = "cross-encoder"

Tick = Callable[[], None]
"""Called between two forward passes; raises when nobody waits for the scores any more."""


@dataclass(frozen=True, slots=True)
class RerankerSpec:
    """A reranker.

    Attributes:
        name: by which searches ask for it.
        family: SPLADE, COLBERT or CROSS_ENCODER.
        fingerprint: 32 hex characters that change with any file that decides the scores.
        licence: of the weights, as the folder's model card states it; "unknown" if it is silent.
    """

    name: str
    family: str
    fingerprint: str
    licence: str


class Reranker(Protocol):
    """A loaded reranker. Calls come from one thread."""

    @property
    def spec(self) -> RerankerSpec:
        """What was loaded."""
        ...

    def scores(self, query: str, texts: Sequence[str], tick: Tick) -> NDArray[np.float32]:
        """How well each text answers: float32, shape (len(texts),), higher is better, on the model's own scale.

        A text's score depends on query and text alone, not on the other texts. What is too long is cut at its end.

        Raises:
            Whatever ``tick`` raises.
        """
        ...
