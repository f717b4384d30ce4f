"""Vectors cut to their first numbers: ``NAME?dim=N``, for models trained so that these say most (Matryoshka).

Kusupati et al. (2022), "Matryoshka representation learning". Any model's vectors can be cut; those of a model that
was not trained for it lose quality the faster: MiniLM's nDCG@10 on SciFact is in ``docs/models.md``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.embedding.directions import unit_rows
from services.embedding.protocol import Embedder, Runtime, TokenCounter
from services.embedding.spec import ModelSpec
from services.errors import ModelError

_NAME = re.compile(r"(?s)(.+)\?dim=([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Truncation:
    """A name taken apart: the whole model's, and how many numbers are kept."""

    model: str
    dim: int


def read_truncation(name: str) -> Truncation | None:
    """What ``NAME?dim=N`` asks for; None for a name that does not end so."""
    found = _NAME.fullmatch(name)
    return Truncation(found[1], int(found[2])) if found else None


def truncated_spec(whole: ModelSpec, dim: int) -> ModelSpec:
    """The spec of a cut model: another name, dimension and fingerprint.

    Raises:
        ModelError: code "model-unsupported", ``dim`` is out of range or vectors have no fixed length.
    """
    if not 1 <= dim <= whole.dim:
        raise ModelError(
            f"?dim={dim} was asked of {whole.name}, whose vectors have {whole.dim} numbers; allowed is 1 to "
            f"{whole.dim}",
            code="model-unsupported",
        )
    return replace(whole, name=f"{whole.name}?dim={dim}", dim=dim)


class TruncatedEmbedder:
    """An ``Embedder`` that keeps the first numbers of another's vectors and makes their length 1 again."""

    def __init__(self, whole: Embedder, dim: int) -> None:
        self.whole = whole
        self.spec: ModelSpec = truncated_spec(whole.spec, dim)
        # A cut vector is shorter, and what moves a number of it moves it by as much more once it is of length 1.
        grows = float(np.sqrt(whole.spec.dim / dim))
        self.runtime = Runtime(
            whole.runtime.name,
            whole.runtime.precision,
            f"the first {dim} of {whole.spec.dim} numbers, of length 1 again; quality falls, the more so where a model "
            f"was not trained for it; {whole.runtime.why or 'as the whole model'}",
            tolerance=min(1e-3, whole.runtime.tolerance * 2 * grows),
        )

    @property
    def tokens(self) -> TokenCounter:
        """The whole model's."""
        return self.whole.tokens

    @property
    def special_tokens(self) -> int:
        """The whole model's."""
        return self.whole.special_tokens

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``."""
        return self._cut(self.whole.embed_queries(texts))

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``."""
        return self._cut(self.whole.embed_documents(texts))

    def _cut(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit_rows(vectors[:, : self.spec.dim].astype(np.float64))
