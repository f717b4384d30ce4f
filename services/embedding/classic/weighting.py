"""From a text's features to the weights of its known ones."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Weighting(StrEnum):
    """What a feature's number in a text is made of."""

    ONE_HOT = "one-hot"
    COUNTS = "counts"
    TF_IDF = "tf-idf"


def text_weights(
    found: NDArray[np.int64], weighting: Weighting, idf: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A text as a sparse row.

    ONE_HOT: 1 for each feature that is there. COUNTS: how often it is. TF_IDF: (1 + ln count) x idf, as scikit-learn
    does with ``sublinear_tf``.

    Args:
        found: the row of each known feature as often as it stands in the text, in any order.

    Returns:
        (rows, weights): the known features' rows, rising, and weights of length 1 (both empty if none is known).
    """
    at, times = np.unique(found, return_counts=True)
    counts = times.astype(np.float64)
    if weighting is Weighting.ONE_HOT:
        counts = np.ones_like(counts)
    elif weighting is Weighting.TF_IDF:
        counts = (1.0 + np.log(counts)) * idf[at]
    length = np.linalg.norm(counts)
    return at, counts / length if length > 0 else counts
