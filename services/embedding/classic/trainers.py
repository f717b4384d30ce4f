"""Learns the vocabulary, the weights and the projection of one-hot, bag-of-words, tf-idf and n-grams.

Two ways lead from tens of thousands of features to few dimensions. A random projection (Johnson and Lindenstrauss;
signs, after Achlioptas 2003) keeps the cosines of the family's own vectors but for noise of 1/sqrt(dim), learns nothing
and costs nothing. Latent semantic analysis (truncated SVD) keeps the directions in which the texts vary most: another
geometry. Without idf those are the directions of "the" and "of", and LSA is worse; with idf they are the texts' topics.
nDCG@10 / recall@100 on SciFact in 512 dimensions (``python -m bench.families --family F --set reduction=R``):

    one-hot       projection 0.209 / 0.503   lsa 0.172 / 0.549
    bag-of-words  projection 0.300 / 0.557   lsa 0.166 / 0.482
    tf-idf        projection 0.521 / 0.756   lsa 0.549 / 0.883
    n-grams       projection 0.568 / 0.852   lsa 0.551 / 0.891

So the default is projection, and LSA for tf-idf alone; n-grams with LSA find more in the first 100, but need 45 s and
1.2 GB where the projection needs seconds and 200 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.classic.analysis import Analyzer, ngram_analyzer, word_analyzer
from services.embedding.classic.embedder import MAX_GRAM
from services.embedding.classic.weighting import Weighting
from services.embedding.families import Setting, Tick
from services.embedding.own_folder import OwnModel, write_own_folder
from services.embedding.training.decomposition import truncated_svd
from services.embedding.training.settings import (
    Choice,
    Real,
    Rule,
    Settings,
    Whole,
    bad_training,
    ordered_pair,
    read_settings,
)
from services.embedding.training.texts import Counted, Pulse, batches, count_terms, spread

FITTED_ON = 50_000
"""Texts that a decomposition sees: evenly spread ones. 50,000 of 150 words are 75 MB as a sparse matrix."""
_BATCH = 1000
_LEAST_DIM = 8
PROJECTION, LSA = "projection", "lsa"

WORDS: Mapping[str, Rule] = {
    "dim": Whole(512, _LEAST_DIM, 4096),
    "min_df": Whole(2, 1, 1_000_000),
    "max_df": Real(1.0, 0.01, 1.0),
    "max_features": Whole(50_000, 16, 500_000),
    "reduction": Choice(PROJECTION, (PROJECTION, LSA)),
    "max_tokens": Whole(512, 16, 8192),
    "seed": Whole(0, 0, 2**31 - 1),
}
TF_IDF: Mapping[str, Rule] = {**WORDS, "reduction": Choice(LSA, (PROJECTION, LSA))}
NGRAMS: Mapping[str, Rule] = {
    **WORDS,
    "least_gram": Whole(3, 1, MAX_GRAM),
    "most_gram": Whole(5, 1, MAX_GRAM),
}


def train_one_hot(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """A text as the set of its words. See ``Trainer``; settings are ``WORDS``."""
    read = read_settings("one-hot", settings, WORDS)
    _train(texts, read, Weighting.ONE_HOT, word_analyzer(read.whole("max_tokens")), folder, tick)


def train_bag_of_words(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """A text as how often it has each word. See ``Trainer``; settings are ``WORDS``."""
    read = read_settings("bag-of-words", settings, WORDS)
    _train(texts, read, Weighting.COUNTS, word_analyzer(read.whole("max_tokens")), folder, tick)


def train_tf_idf(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """Words by how often they occur here and how rarely elsewhere. See ``Trainer``; settings are ``TF_IDF``."""
    read = read_settings("tf-idf", settings, TF_IDF)
    _train(texts, read, Weighting.TF_IDF, word_analyzer(read.whole("max_tokens")), folder, tick)


def train_ngrams(texts: Iterable[str], settings: Mapping[str, Setting], folder: Path, tick: Tick) -> None:
    """TF-IDF of character n-grams within words. See ``Trainer``; settings are ``NGRAMS``."""
    read = read_settings("n-grams", settings, NGRAMS)
    least, most = ordered_pair(read, "least_gram", "most_gram")
    _train(texts, read, Weighting.TF_IDF, ngram_analyzer(read.whole("max_tokens"), least, most), folder, tick)


@dataclass(frozen=True, slots=True)
class _Features:
    """What is counted: the kept features, their idf, and how many texts there were."""

    names: list[str]
    idf: NDArray[np.float64]
    texts: int


def _train(
    texts: Iterable[str], settings: Settings, weighting: Weighting, analyze: Analyzer, folder: Path, tick: Tick
) -> None:
    pulse = Pulse(tick)
    features = _features(texts, settings, weighting, analyze, pulse)
    if settings.word("reduction") == LSA:
        matrix = sparse_matrix(spread(texts, features.texts, FITTED_ON), features, weighting, analyze, pulse)
        projection: NDArray[Any] = _topics(matrix, settings, pulse)
    else:
        projection = random_signs(len(features.names), settings.whole("dim"), settings.whole("seed"))
    kept: dict[str, Setting] = {"weighting": weighting.value, "reduction": settings.word("reduction")}
    kept |= {name: value for name, value in settings.values.items() if name in ("least_gram", "most_gram")}
    asked, dim = settings.whole("dim"), projection.shape[1]
    shrunk = f", {asked} numbers asked for but the texts differ in {dim} ways" if dim < asked else ""
    model = OwnModel(
        family=settings.family,
        dim=dim,
        max_tokens=settings.whole("max_tokens"),
        pooling=f"{weighting.value} {settings.word('reduction')}",
        settings=kept,
        trained_on=f"{features.texts:,} texts, {len(features.names):,} features{shrunk}",
    )
    write_own_folder(folder, model, {"idf": features.idf, "projection": projection}, features.names)


def _features(
    texts: Iterable[str], settings: Settings, weighting: Weighting, analyze: Analyzer, pulse: Pulse
) -> _Features:
    """Features by document frequency, which needs one feature list in memory and one text at a time."""
    most = settings.whole("max_features")
    counted = count_terms(texts, analyze, least=settings.whole("min_df"), most_terms=most, pulse=pulse, per_text=True)
    limit = settings.real("max_df") * counted.texts
    kept = [(term, count) for term, count in zip(counted.terms, counted.counts, strict=True) if count <= limit]
    if not kept:
        raise _too_little(settings, counted)
    frequencies = np.array([count for _, count in kept], dtype=np.float64)
    idf = np.log((1 + counted.texts) / (1 + frequencies)) + 1
    if weighting is not Weighting.TF_IDF:
        idf = np.ones_like(idf)
    return _Features([term for term, _ in kept], idf, counted.texts)


def _too_little(settings: Settings, counted: Counted) -> Exception:
    return bad_training(
        settings.family,
        f"no word or n-gram is in at least {settings.whole('min_df')} and at most {settings.real('max_df'):.0%} of "
        f"the {counted.texts:,} texts; give more texts, or lower min_df or raise max_df",
    )


def sparse_matrix(
    texts: Iterable[str], features: _Features, weighting: Weighting, analyze: Analyzer, pulse: Pulse
) -> Any:
    """scikit-learn's rows of the texts, CSR of float64, each of length 1; held sparse, made in slices."""
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    names = {name: row for row, name in enumerate(features.names)}
    counter = CountVectorizer(
        analyzer=analyze, vocabulary=names, binary=weighting is Weighting.ONE_HOT, dtype=np.float64
    )
    weigher = TfidfTransformer(use_idf=True, sublinear_tf=weighting is Weighting.TF_IDF)
    weigher.idf_ = features.idf
    rows = [weigher.transform(counter.transform(some)) for some in batches(texts, _BATCH, pulse)]
    return vstack(rows, format="csr")


def _topics(matrix: Any, settings: Settings, pulse: Pulse) -> NDArray[np.float32]:
    """Latent semantic analysis: the directions in which the texts differ most, at most as many as there are."""
    dim = min(settings.whole("dim"), *matrix.shape)
    _, values, right = truncated_svd(matrix, dim, pulse, seed=settings.whole("seed"))
    real = int((values > values[0] * 1e-5).sum()) if values[0] > 0 else 0
    if real < _LEAST_DIM:
        raise bad_training(
            settings.family,
            f"the {matrix.shape[0]:,} texts differ in {real} ways only, a vector needs at least {_LEAST_DIM}; give "
            "more texts, lower min_df, or choose reduction 'projection'",
        )
    return np.ascontiguousarray(right[:real].T, dtype=np.float32)


def random_signs(features: int, dim: int, seed: int) -> NDArray[np.int8]:
    """A random projection: +1 or -1 for each feature and dimension, int8, shape (features, dim)."""
    bits = np.random.Generator(np.random.PCG64(seed)).integers(0, 2, size=(features, dim), dtype=np.int8)
    return (2 * bits - 1).astype(np.int8)
