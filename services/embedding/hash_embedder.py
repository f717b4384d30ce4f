"""An embedder without a model: the honest fake of tests, and of a trial without 90 MB of weights.

Texts that share words get similar vectors, and so do, more weakly, texts with words of a common stem. It knows no
synonyms. It is deterministic over processes, machines and versions of Python.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.builtin import HASH_SPEC
from services.embedding.options import LoadOptions
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec
from services.embedding.texts import prepare_texts
from services.embedding.words import WordCounter, folded_words

_TRIGRAM_WEIGHT = 0.5
_SHORT_WORD_CHARS = 3
_SHORT_WORD_WEIGHT = 0.25


class HashEmbedder:
    """Sums a fixed random vector of signs for each word and each of its character trigrams."""

    special_tokens = 0

    def __init__(self) -> None:
        self.spec: ModelSpec = HASH_SPEC
        self.runtime = Runtime("numpy", "fp64", "sums of fixed random signs")
        self.tokens = WordCounter()

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``. Queries and documents are treated alike."""
        return self.embed_documents(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``."""
        prepared = prepare_texts(texts, self.spec.max_tokens)
        vectors = np.empty((len(prepared), self.spec.dim), dtype=np.float32)
        for row, text in enumerate(prepared):
            vectors[row] = _text_vector(text, self.spec.max_tokens)
        return vectors


def load_hash(spec: ModelSpec, folder: Path, options: LoadOptions) -> HashEmbedder:  # noqa: ARG001
    """The family's loader: there is nothing to load."""
    return HashEmbedder()


def _text_vector(text: str, max_tokens: int) -> NDArray[np.float32]:
    folded = Counter(folded_words(text, max_tokens))
    total = np.zeros(HASH_SPEC.dim, dtype=np.float64)
    for word, count in folded.items():
        weight = _SHORT_WORD_WEIGHT if len(word) <= _SHORT_WORD_CHARS else 1.0
        total += weight * np.sqrt(count) * _word_vector(word)
    length = np.linalg.norm(total)
    if length < 1e-6:
        total = _signs("")
        length = np.linalg.norm(total)
    return (total / length).astype(np.float32)


@lru_cache(maxsize=16_384)
def _word_vector(word: str) -> NDArray[np.float64]:
    framed = f"<{word}>"
    trigrams = [framed[at : at + 3] for at in range(len(framed) - 2)]
    vector = _signs("w:" + word)
    for trigram in trigrams:
        vector = vector + _TRIGRAM_WEIGHT * _signs("t:" + trigram)
    return vector


def _signs(feature: str) -> NDArray[np.float64]:
    """One row of the random projection: each bit of the feature's hash is a sign."""
    digest = hashlib.blake2b(feature.encode("utf-8"), digest_size=HASH_SPEC.dim // 8).digest()
    return np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.float64) * 2.0 - 1.0
