"""What an embedder must do. Every backend passes ``tests/contract/test_embedder_contract.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from services.embedding.spec import ModelSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a loaded model runs on, for people and for ``/readyz``.

    Attributes:
        name: "openvino", "torch", "cuda", "numpy", "http", ...
        precision: of the arithmetic, such as "bf16".
        why: one sentence: why this runtime, and what was passed over for which reason.
        tolerance: by how much a component of a text's vector may move with what it is batched with, with threads
            and with restarts.
    """

    name: str
    precision: str = "fp32"
    why: str = ""
    tolerance: float = 1e-5


class TokenCounter(Protocol):
    """Counts in the model's own tokens, for chunking and for telling a user that a query was cut."""

    def count(self, text: str) -> int:
        """Tokens of ``text`` without special tokens and prompts, never truncated."""
        ...

    @property
    def fast(self) -> Tokenizer | None:
        """A tokenizer without truncation and padding, safe to share between threads; None if the model has none."""
        ...


class Embedder(Protocol):
    """A loaded model. Calls may come from several threads."""

    @property
    def spec(self) -> ModelSpec:
        """What was loaded."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What it runs on."""
        ...

    @property
    def tokens(self) -> TokenCounter:
        """The model's own measure of length."""
        ...

    @property
    def special_tokens(self) -> int:
        """How many tokens the model adds to each text; they count towards ``spec.max_tokens``."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of questions.

        A text's vector depends on the text alone: what it is batched with moves no component by more than
        ``runtime.tolerance``.
        A text beyond ``spec.max_tokens`` is cut at its end. The empty text has a vector too.

        Args:
            texts: any number of them, also none.

        Returns:
            float32, shape (len(texts), spec.dim), row i for texts[i]; length 1 each.

        Raises:
            InvalidInput: code "bad-text", a text holds half of a surrogate pair.
        """
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of passages. Everything said of ``embed_queries`` holds."""
        ...
