"""From trained word vectors to a model folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.families import Setting
from services.embedding.own_folder import OwnModel, write_own_folder
from services.embedding.training.settings import Real, Rule, Settings, Whole, bad_training
from services.embedding.training.texts import Counted, Pulse, count_terms
from services.embedding.words import folded_words
from services.embedding.wordvectors.sif import WordMeans, common_directions, sif_weights
from services.embedding.wordvectors.subwords import Subwords

LEAST_WORDS = 8
SHARED: Mapping[str, Rule] = {
    "dim": Whole(256, 8, 2048),
    "window": Whole(5, 1, 50),
    "min_count": Whole(2, 1, 1_000_000),
    "max_words": Whole(50_000, 16, 1_000_000),
    "sif_a": Real(1e-3, 1e-6, 1.0),
    "common": Whole(1, 0, 16),
    "max_tokens": Whole(512, 16, 8192),
    "seed": Whole(1, 0, 2**31 - 1),
}
"""Settings of every family of word vectors: ``common`` is how many directions are taken away, ``sif_a`` the a."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What training came to.

    Attributes:
        counted: the words, in the order of the rows.
        vectors: float32, shape (words, dim).
        subwords: float32, shape (buckets, dim), where pieces of words have vectors.
        grams: (shortest, longest) piece, with ``subwords``.
    """

    counted: Counted
    vectors: NDArray[np.float32]
    subwords: NDArray[np.float32] | None = None
    grams: tuple[int, int] = (0, 0)


def count_words(texts: Iterable[str], settings: Settings, pulse: Pulse) -> Counted:
    """The vocabulary.

    Raises:
        InvalidInput: code "bad-training", too few words occur often enough.
    """
    least = settings.whole("min_count")
    counted = count_terms(
        texts, folded_words, least=least, most_terms=settings.whole("max_words"), pulse=pulse, per_text=False
    )
    if len(counted.terms) < LEAST_WORDS:
        raise bad_training(
            settings.family,
            f"{len(counted.terms)} words occur at least {least} times in the {counted.texts:,} texts, needed are "
            f"{LEAST_WORDS}; give more texts or lower min_count",
        )
    return counted


def write_words(learned: Learned, texts: Iterable[str], settings: Settings, folder: Path, pulse: Pulse) -> None:
    """Fits the common directions on the texts and writes the folder that ``load_words`` reads."""
    counted = learned.counted
    counts = np.array(counted.counts, dtype=np.float64)
    least, most = learned.grams
    means = WordMeans(
        rows={word: row for row, word in enumerate(counted.terms)},
        vectors=learned.vectors,
        weights=sif_weights(counts, counted.total, settings.real("sif_a")),
        subwords=None if learned.subwords is None else Subwords(learned.subwords, least, most),
    )
    limit, dim = settings.whole("max_tokens"), learned.vectors.shape[1]
    common = common_directions(means, texts, limit, settings.whole("common"), pulse)
    tensors = {"vectors": learned.vectors, "weights": means.weights, "common": common}
    kept: dict[str, Setting] = {"cased": False}
    if learned.subwords is not None:
        tensors["subwords"] = learned.subwords
        kept |= {"least_gram": least, "most_gram": most}
    asked = settings.whole("dim")
    shrunk = f", {asked} numbers asked for but the words differ in {dim} ways" if dim < asked else ""
    model = OwnModel(
        family=settings.family,
        dim=dim,
        max_tokens=limit,
        pooling="sif",
        settings=kept,
        trained_on=f"{counted.texts:,} texts, {counted.total:,} words, {len(counted.terms):,} different{shrunk}",
    )
    write_own_folder(folder, model, tensors, counted.terms)
