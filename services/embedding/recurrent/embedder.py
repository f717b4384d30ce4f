"""Texts and single words as vectors of a recurrent language model: families "rnn" and "elmo"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.options import LoadOptions
from services.embedding.own_folder import load_own_folder
from services.embedding.own_tensors import row_numbers, tensor_of, unreadable, whole_number
from services.embedding.protocol import Runtime
from services.embedding.recurrent.encoder import FIRST_WORD, UNKNOWN, Encoder, read_encoder
from services.embedding.spec import ModelSpec
from services.embedding.texts import prepare_texts
from services.embedding.words import WORD, WordCounter, folded_words
from services.embedding.wordvectors.sif import without

RNN, ELMO = "rnn", "elmo"
MEAN, LAST = "mean", "last"
POOLINGS = (MEAN, LAST)
MAX_LAYERS = 3
_GATES = {RNN: 1, ELMO: 4}


@dataclass(frozen=True, slots=True)
class Pooling:
    """How the vectors of a text's words become one.

    Attributes:
        kind: "mean", weighted, or "last", the state after the last word (of a backward reader: the first).
        weights: of each row of the embedding, for "mean"; shape (FIRST_WORD + words,).
        center: what all texts have in common, taken away first; shape (dim,).
        common: directions that are taken away next, of length 1 and at right angles; shape (any, dim).
    """

    kind: str
    weights: NDArray[np.float32]
    center: NDArray[np.float32]
    common: NDArray[np.float32]

    def pool(self, vectors: NDArray[np.float32], rows: Sequence[int], backward: bool) -> NDArray[np.float64]:
        """One text's vector, nothing taken away yet.

        Args:
            vectors: of its words, shape (words, dim).
            rows: its words' rows of the embedding.
            backward: whether the second half of a vector was read backward.
        """
        if self.kind == LAST:
            if not backward:
                return np.array(vectors[-1], dtype=np.float64)
            half = vectors.shape[1] // 2
            return np.concatenate([vectors[-1, :half], vectors[0, half:]], dtype=np.float64)
        weights = self.weights[list(rows)].astype(np.float64)
        mean: NDArray[np.float64] = weights @ vectors.astype(np.float64) / weights.sum()
        return mean


class RecurrentEmbedder:
    """An ``Embedder`` over a recurrent language model."""

    special_tokens = 0

    def __init__(self, spec: ModelSpec, rows: dict[str, int], encoder: Encoder, pooling: Pooling) -> None:
        self.spec = spec
        # A rounding of one step goes through all later ones. Two tiny models moved by less than 1e-7 over 256 words;
        # networks of the default width sum over ten times as many numbers.
        self.runtime = Runtime("numpy", "fp32", "a recurrent network, texts packed by length", tolerance=3e-5)
        self.tokens = WordCounter()
        self._rows = rows
        self._encoder = encoder
        self._pooling = pooling

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``. Queries and documents are treated alike."""
        return self.embed_documents(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``. A text without a word has a fixed direction."""
        prepared = prepare_texts(texts, self.spec.max_tokens)
        sequences = [self._numbers(folded_words(text, self.spec.max_tokens)) for text in prepared]
        vectors = text_means(self._encoder, self._pooling, sequences)
        empty = [number for number, sequence in enumerate(sequences) if not sequence]
        vectors = without(vectors - self._pooling.center.astype(np.float64), self._pooling.common)
        vectors[empty] = 0.0
        return unit_rows(vectors)

    def token_vectors(self, text: str) -> tuple[list[str], NDArray[np.float32]]:
        """A vector of each word where it stands: the same word differs by its sentence.

        Returns:
            (words as they are written, float32 of shape (words, dim)), for the first ``spec.max_tokens`` words;
            not of length 1, nothing taken away.

        Raises:
            InvalidInput: code "bad-text".
        """
        prepared = prepare_texts([text], self.spec.max_tokens)[0]
        words = WORD.findall(prepared)[: self.spec.max_tokens]
        sequence = self._numbers(folded_words(prepared, self.spec.max_tokens))
        for _, vectors in self._encoder.encode([sequence]):
            return words, vectors
        return [], np.empty((0, self.spec.dim), dtype=np.float32)

    def _numbers(self, words: Sequence[str]) -> list[int]:
        return [self._rows.get(word, UNKNOWN) for word in words]


def text_means(encoder: Encoder, pooling: Pooling, sequences: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Pooled vectors of texts given as rows of the embedding; zeros for those without a word. Shape (texts, dim)."""
    pooled = np.zeros((len(sequences), encoder.dim))
    for number, vectors in encoder.encode(sequences):
        pooled[number] = pooling.pool(vectors, sequences[number], bool(encoder.backward))
    return pooled


def load_recurrent(spec: ModelSpec, folder: Path, options: LoadOptions) -> RecurrentEmbedder:  # noqa: ARG001
    """The loader of both families; the folder is as ``recurrent.training`` wrote it.

    Raises:
        ModelError: code "model-missing", "model-changed" or "model-unreadable".
    """
    model, tensors, vocabulary = load_own_folder(folder)
    rows = {word: FIRST_WORD + number for word, number in row_numbers(folder, vocabulary).items()}
    both = model.family == ELMO
    if model.pooling not in POOLINGS:
        raise unreadable(folder, f"its pooling is not one of {', '.join(POOLINGS)}")
    layers = whole_number(folder, model.settings, "layers", 1, MAX_LAYERS)
    width = model.dim // 2 if both else model.dim
    encoder = read_encoder(
        folder, tensors, words=len(rows), width=width, layers=layers, gates=_GATES.get(model.family, 1), both=both
    )
    weights = tensor_of(folder, tensors, "weights", (FIRST_WORD + len(rows),)).astype(np.float32)
    if not (weights > 0).all():
        raise unreadable(folder, "a word's weight is not above 0")
    center = tensor_of(folder, tensors, "center", (encoder.dim,)).astype(np.float32)
    common = tensor_of(folder, tensors, "common", (-1, encoder.dim)).astype(np.float32)
    return RecurrentEmbedder(spec, rows, encoder, Pooling(model.pooling, weights, center, common))
