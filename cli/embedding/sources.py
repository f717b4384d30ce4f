"""Who embeds: a model loaded in this process, or a running instance."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cli.transport import Transport
from services.embedding.installing.default import DefaultModel
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.vectors import check_vectors
from services.errors import InvalidInput, ModelError
from services.settings import Settings
from services.wiring import load_options

PATIENCE_S = 60.0


class Vectors(Protocol):
    """Whatever turns texts into vectors; ``dim`` is 0 until it is known."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32, shape (len(texts), dim), length 1 each."""
        ...


@contextmanager
def open_source(settings: Settings, model: str | None, role: str, *, server: bool) -> Iterator[Vectors]:
    """The source of vectors; nothing is loaded before the first texts come.

    Raises:
        ModelError: the model cannot be loaded (when it is first needed).
    """
    if not server:
        yield Local(ModelRegistry(load_options(settings)), model or DefaultModel(settings).name(), role)
        return
    with Transport(settings.url, patience_s=PATIENCE_S) as transport:
        yield Remote(transport, model or "", role)


@dataclass(slots=True)
class Local:
    """A model in this process."""

    registry: ModelRegistry
    model: str
    role: str
    dim: int = 0
    _loaded: Embedder | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Vectors.embed``."""
        if self._loaded is None:
            self._loaded = self.registry.load(self.model)
            self.dim = self._loaded.spec.dim
        vectors = self._loaded.embed_queries(texts) if self.role == "query" else self._loaded.embed_documents(texts)
        try:
            check_vectors(vectors, self.dim)
        except InvalidInput as error:
            raise ModelError(f"the model {self.model} failed: {error.message}", code="model-failed") from None
        return vectors


@dataclass(slots=True)
class Remote:
    """A running instance; without a name its default model."""

    transport: Transport
    model: str
    role: str
    dim: int = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Vectors.embed``."""
        if not self.model:
            self.model = str(self.transport.call("GET", "/models/default")["name"])
        body = {"model": self.model, "input": list(texts), "encoding_format": "base64", "input_type": self.role}
        answer = self.transport.call("POST", "/v1/embeddings", body=body, reads=True)
        rows = [np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in answer["data"]]
        vectors = np.stack(rows).astype(np.float32)
        self.dim = vectors.shape[1]
        return vectors
