"""Word vectors from a model folder, whoever made them: numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.options import LoadOptions
from services.embedding.own_folder import load_own_folder
from services.embedding.own_tensors import row_numbers, tensor_of, whole_number
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.embedding.texts import prepare_texts
from services.embedding.words import WordCounter
from services.embedding.wordvectors.sif import WordMeans, without
from services.embedding.wordvectors.subwords import Subwords

MAX_GRAM = 32


class WordsEmbedder:
    """Texts as SIF-weighted means of word vectors, less the common directions."""

    special_tokens = 0

    def __init__(self, spec: ModelSpec, means: WordMeans, common: NDArray[np.float32]) -> None:
        self.spec = spec
        self.runtime = Runtime("numpy", "fp32", "weighted means of word vectors")
        self.tokens = WordCounter()
        self._means = means
        self._common = common

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``. Queries and documents are treated alike."""
        return self.embed_documents(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``. A text without a known word has a fixed direction."""
        prepared = prepare_texts(texts, self.spec.max_tokens)
        vectors = np.zeros((len(prepared), self.spec.dim))
        for number, text in enumerate(prepared):
            vectors[number] = self._means.mean(text, self.spec.max_tokens)
        return unit_rows(without(vectors, self._common))

    def word_vector(self, word: str) -> NDArray[np.float32] | None:
        """A word's own vector as it was trained, no weight, nothing removed; None for an unknown word.

        Word similarity and analogies are about these.
        """
        return self._means.word(word)

    def words(self, most: int) -> list[str]:
        """The ``most`` most frequent words that the model knows."""
        return list(self._means.rows)[:most]


def load_words(spec: ModelSpec, folder: Path, options: LoadOptions) -> WordsEmbedder:  # noqa: ARG001
    """The loader of co-occurrence, word2vec, fasttext and glove; the folder is as ``wordvectors.writing`` made it.

    Raises:
        ModelError: code "model-missing", "model-changed" or "model-unreadable".
    """
    model, tensors, vocabulary = load_own_folder(folder)
    rows = row_numbers(folder, vocabulary)
    subwords = None
    if "subwords" in tensors:
        least = whole_number(folder, model.settings, "least_gram", 1, MAX_GRAM)
        most = whole_number(folder, model.settings, "most_gram", least, MAX_GRAM)
        table = tensor_of(folder, tensors, "subwords", (-1, model.dim))
        subwords = Subwords(table.astype(np.float32, copy=False), least, most) if len(table) else None
    means = WordMeans(
        rows=rows,
        vectors=tensor_of(folder, tensors, "vectors", (len(rows), model.dim)).astype(np.float32, copy=False),
        weights=tensor_of(folder, tensors, "weights", (len(rows),)).astype(np.float32, copy=False),
        cased=bool(model.settings.get("cased", False)),
        subwords=subwords,
    )
    return WordsEmbedder(spec, means, tensor_of(folder, tensors, "common", (-1, model.dim)).astype(np.float32))
