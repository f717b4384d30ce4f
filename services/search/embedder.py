"""What a search needs of a model: a query's vector, and its length in the model's tokens."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from services.embedding.caching.query_vectors import QueryVectorCache
from services.embedding.media import MediaEmbedder, Picture, Sound
from services.embedding.protocol import Embedder, TokenCounter
from services.embedding.spec import ModelSpec


class QueryEmbedder(Protocol):
    """Vectors for queries of one model. Calls may come from several threads."""

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        ...

    @property
    def tokens(self) -> TokenCounter:
        """The model's measure of length."""
        ...

    @property
    def special_tokens(self) -> int:
        """Tokens the model adds to each text."""
        ...

    def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:
        """The query's vector: float32, shape (spec.dim,).

        Raises:
            Unavailable: not done within ``timeout_s``, or too many queries are waiting.
        """
        ...

    def embed_media(self, media: Picture | Sound) -> NDArray[np.float32]:
        """The vector of a picture or a sound that is searched by, made in the caller's thread, one at a time.

        Raises:
            InvalidInput: code "unsupported-modality", the model does not embed such.
        """
        ...


class QueryVectors(Protocol):
    """Whatever turns one query at a time into a vector, such as a batcher that puts concurrent queries together."""

    def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:
        """The query's vector."""
        ...


@dataclass(frozen=True, slots=True)
class BatchedQueryEmbedder:
    """A loaded model whose queries go through a batcher, unless they are remembered."""

    model: Embedder
    batcher: QueryVectors
    one_by_one: threading.Lock = field(default_factory=threading.Lock)
    remembered: QueryVectorCache | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self.model.spec

    @property
    def tokens(self) -> TokenCounter:
        """The model's measure of length."""
        return self.model.tokens

    @property
    def special_tokens(self) -> int:
        """Tokens the model adds to each text."""
        return self.model.special_tokens

    def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:
        """The query's vector: remembered, or embedded together with others that are waiting. Read-only."""
        if self.remembered is None:
            return self.batcher.embed(text, timeout_s)
        spec = self.spec

        def embed(left_s: float) -> NDArray[np.float32]:
            return self.batcher.embed(text, left_s)

        return self.remembered.embed(spec.fingerprint, text, spec.max_tokens, embed, timeout_s)

    def embed_media(self, media: Picture | Sound) -> NDArray[np.float32]:
        """See ``QueryEmbedder.embed_media``."""
        able = cast(MediaEmbedder, self.model)
        with self.one_by_one:
            rows = able.embed_pictures([media]) if isinstance(media, Picture) else able.embed_sounds([media])
        vector: NDArray[np.float32] = rows[0]
        return vector


@dataclass(frozen=True, slots=True)
class DirectQueryVectors:
    """One query, one forward pass, in the caller's thread: for commands and tests, where nobody else is asking."""

    model: Embedder

    def embed(self, text: str, timeout_s: float) -> NDArray[np.float32]:  # noqa: ARG002
        """The query's vector; there is no queue to wait in, so ``timeout_s`` does not matter."""
        vector: NDArray[np.float32] = self.model.embed_queries([text])[0]
        return vector
