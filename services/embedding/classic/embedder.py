"""Counts of words or n-grams, projected to a dense vector: numpy alone, no scikit-learn and no pickle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.classic.analysis import Finder, ngram_finder, word_finder
from services.embedding.classic.weighting import Weighting, text_weights
from services.embedding.directions import unit_rows
from services.embedding.options import LoadOptions
from services.embedding.own_folder import load_own_folder
from services.embedding.own_tensors import row_numbers, tensor_of, unreadable, whole_number
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.embedding.texts import prepare_texts
from services.embedding.words import WordCounter

MAX_GRAM = 16


class ClassicEmbedder:
    """One-hot, bag of words, TF-IDF or n-grams, times a projection.

    Args:
        find: the rows of a text's known features in ``projection``.
        idf: float64, shape (features,); ones where the weighting has none.
        projection: shape (features, dim); int8 for signs, float32 for what a decomposition found.
    """

    special_tokens = 0

    def __init__(
        self,
        spec: ModelSpec,
        find: Finder,
        weighting: Weighting,
        idf: NDArray[np.float64],
        projection: NDArray[np.float32] | NDArray[np.int8],
    ) -> None:
        self.spec = spec
        self.runtime = Runtime("numpy", "fp32", "sums of the rows of a text's known words or n-grams")
        self.tokens = WordCounter()
        self._find = find
        self._weighting = weighting
        self._idf = idf
        self._projection = projection

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``. Queries and documents are treated alike."""
        return self.embed_documents(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``. A text without a known feature has a fixed direction."""
        prepared = prepare_texts(texts, self.spec.max_tokens)
        vectors = np.zeros((len(prepared), self.spec.dim))
        for number, text in enumerate(prepared):
            at, weights = text_weights(self._find(text), self._weighting, self._idf)
            vectors[number] = weights.astype(np.float32) @ self._projection[at].astype(np.float32, copy=False)
        return unit_rows(vectors)


def load_classic(spec: ModelSpec, folder: Path, options: LoadOptions) -> ClassicEmbedder:  # noqa: ARG001
    """The loader of the four families; the folder is as ``classic.trainers`` wrote it.

    Raises:
        ModelError: code "model-missing", "model-changed" or "model-unreadable".
    """
    model, tensors, vocabulary = load_own_folder(folder)
    rows = row_numbers(folder, vocabulary)
    idf = tensor_of(folder, tensors, "idf", (len(rows),)).astype(np.float64)
    projection = tensor_of(folder, tensors, "projection", (len(rows), model.dim), kinds="fi")
    if model.settings.get("weighting") not in list(Weighting):
        raise unreadable(folder, f"its weighting is not one of {', '.join(Weighting)}")
    find = word_finder(rows, model.max_tokens)
    if "least_gram" in model.settings:
        least = whole_number(folder, model.settings, "least_gram", 1, MAX_GRAM)
        most = whole_number(folder, model.settings, "most_gram", least, MAX_GRAM)
        find = ngram_finder(rows, model.max_tokens, least, most)
    return ClassicEmbedder(spec, find, Weighting(str(model.settings["weighting"])), idf, projection)
