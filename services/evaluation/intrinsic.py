"""What a model's vectors are worth by themselves: similarity as people judge it, analogies, clusters.

Figures of different models compare where they cover the same pairs: models of words know some words only, and each
figure says over how many pairs it was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from services.embedding.protocol import Embedder
from services.embedding.words import fold
from services.evaluation.intrinsic_data import Analogy, Check, LabelledText, ScoredPair

BATCH = 256
MOST_CANDIDATES = 30_000
"""Words among which the answer to an analogy is sought, as is common for the published figures."""

Figures = dict[str, float]


@runtime_checkable
class KnowsWords(Protocol):
    """An embedder that has a vector of its own for each word it knows."""

    def word_vector(self, word: str) -> NDArray[np.float32] | None:
        """The word's vector, not normalised; None for an unknown word."""

    def words(self, most: int) -> list[str]:
        """The most frequent words it knows."""


def run_check(embedder: Embedder, check: Check) -> Figures:
    """The figures of one file."""
    if check.kind == "words":
        return word_similarity(embedder, cast(Sequence[ScoredPair], check.items))
    if check.kind == "sentences":
        return sentence_similarity(embedder, cast(Sequence[ScoredPair], check.items))
    if check.kind == "analogies":
        return analogies(embedder, cast(Sequence[Analogy], check.items))
    return clustering(embedder, cast(Sequence[LabelledText], check.items))


def word_similarity(embedder: Embedder, pairs: Sequence[ScoredPair]) -> Figures:
    """Spearman's rank correlation of cosines with people's scores, over the pairs of which both words are known.

    Returns:
        "spearman" (-1 to 1), "pairs" taken, "unknown_pairs" left out.
    """
    vectors = _word_vectors(embedder, {word for pair in pairs for word in (pair.left, pair.right)})
    known = [pair for pair in pairs if pair.left in vectors and pair.right in vectors]
    cosines = [float(vectors[pair.left] @ vectors[pair.right]) for pair in known]
    return {
        "spearman": spearman(cosines, [pair.score for pair in known]),
        "pairs": len(known),
        "unknown_pairs": len(pairs) - len(known),
    }


def sentence_similarity(embedder: Embedder, pairs: Sequence[ScoredPair]) -> Figures:
    """Spearman's rank correlation of cosines with people's scores; both sentences are embedded as documents."""
    left = _embed(embedder, [pair.left for pair in pairs])
    right = _embed(embedder, [pair.right for pair in pairs])
    cosines = np.einsum("ij,ij->i", left, right).tolist()
    return {"spearman": spearman(cosines, [pair.score for pair in pairs]), "pairs": len(pairs)}


def analogies(embedder: Embedder, questions: Sequence[Analogy]) -> Figures:
    """3CosAdd: how often the word nearest to b - a + c, other than a, b and c, is d.

    Candidates are the words of the questions and, for a model with a vocabulary, its most frequent words. Words that
    differ in capitals alone are one word, as in the published figures: else "germany" of the vocabulary would answer
    where "Germany" was asked. Questions with an unknown word are left out.

    Returns:
        "accuracy" (0 to 1), "questions" asked, "unknown_questions".
    """
    candidates = sorted({word for each in questions for word in (each.a, each.b, each.c, each.d)})
    if isinstance(embedder, KnowsWords):
        candidates += embedder.words(MOST_CANDIDATES)
    vectors = _word_vectors(embedder, set(candidates))
    rows: dict[str, int] = {}
    kept: list[NDArray[np.float64]] = []
    for word in candidates:
        if word in vectors and fold(word) not in rows:
            rows[fold(word)] = len(kept)
            kept.append(vectors[word])
    folded = [Analogy(*(fold(word) for word in (each.a, each.b, each.c, each.d))) for each in questions]
    asked = [each for each in folded if all(word in rows for word in (each.a, each.b, each.c, each.d))]
    matrix = np.array(kept)
    right = 0
    for start in range(0, len(asked), BATCH):
        some = asked[start : start + BATCH]
        a, b, c = (matrix[[rows[getattr(each, name)] for each in some]] for name in "abc")
        scores = (b - a + c) @ matrix.T
        for number, each in enumerate(some):
            scores[number, [rows[each.a], rows[each.b], rows[each.c]]] = -np.inf
            right += int(scores[number].argmax()) == rows[each.d]
    return {
        "accuracy": right / len(asked) if asked else 0.0,
        "questions": len(asked),
        "unknown_questions": len(questions) - len(asked),
    }


def clustering(embedder: Embedder, texts: Sequence[LabelledText], *, seed: int = 0) -> Figures:
    """k-means with as many clusters as there are labels, held against the labels.

    Returns:
        "v_measure" (0 to 1; the same as normalised mutual information with the arithmetic mean), "rand" (the Rand
        index adjusted for chance), "texts", "labels".
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, v_measure_score

    labels = [each.label for each in texts]
    groups = len(set(labels))
    vectors = _embed(embedder, [each.text for each in texts])
    found = KMeans(n_clusters=groups, n_init=10, random_state=seed).fit_predict(vectors)
    return {
        "v_measure": float(v_measure_score(labels, found)),
        "rand": float(adjusted_rand_score(labels, found)),
        "texts": len(texts),
        "labels": groups,
    }


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; 0 where one side does not vary."""
    from scipy.stats import rankdata

    if len(left) < 2:
        return 0.0
    ranks: list[NDArray[Any]] = [rankdata(values) - (len(values) + 1) / 2 for values in (left, right)]
    spread = float(np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1]))
    return float(ranks[0] @ ranks[1]) / spread if spread > 0 else 0.0


def _word_vectors(embedder: Embedder, words: set[str]) -> dict[str, NDArray[np.float64]]:
    """Unit vectors of the known words: the model's own word vectors where it has some, else the words as texts."""
    ordered = sorted(words)
    if not isinstance(embedder, KnowsWords):
        return dict(zip(ordered, _embed(embedder, ordered), strict=True))
    found = {}
    for word in ordered:
        vector = embedder.word_vector(word)
        if vector is not None and (length := float(np.linalg.norm(vector))) > 0:
            found[word] = vector.astype(np.float64) / length
    return found


def _embed(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float64]:
    parts = [embedder.embed_documents(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    if not parts:
        return np.zeros((0, embedder.spec.dim))
    return np.concatenate(parts).astype(np.float64)
