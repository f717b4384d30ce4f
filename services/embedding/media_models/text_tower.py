"""The text side of a model that also embeds something else: the folder's tokenizer, batches of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.batching import plan_batches, run_batches, share_budget
from services.embedding.directions import unit_rows
from services.embedding.media_models.torch_folder import read_part
from services.embedding.model_tokens import ModelTokens
from services.embedding.options import DEFAULT_BATCH_TOKENS, LoadOptions
from services.embedding.spec import ModelSpec
from services.embedding.texts import prepare_texts

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

Forward = Callable[["BatchEncoding"], NDArray[np.float32]]
"""One pass over tokenised texts: their vectors, of any length."""


class TextTower:
    """Embeds texts.

    Args:
        spec: of the whole model.
        tokenizer: the folder's.
        forward: the tower.
        options: cores and budget.
    """

    def __init__(
        self, spec: ModelSpec, tokenizer: PreTrainedTokenizerBase, forward: Forward, options: LoadOptions
    ) -> None:
        self.tokens = ModelTokens(tokenizer)
        self.special_tokens = int(tokenizer.num_special_tokens_to_add(pair=False))
        self._spec = spec
        self._tokenizer = tokenizer
        self._forward = forward
        self._streams = options.cores()
        self._budget_tokens = options.batch_tokens or DEFAULT_BATCH_TOKENS

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, as ``Embedder.embed_documents``."""
        prepared = prepare_texts(texts, self._spec.max_tokens)
        vectors = np.empty((len(prepared), self._spec.dim), dtype=np.float32)
        limit = self._spec.max_tokens
        lengths = [min(length + self.special_tokens, limit) for length in self.tokens.lengths(prepared)]
        budget = share_budget(lengths, self._streams, limit_tokens=self._budget_tokens)

        def embed_batch(batch: list[int]) -> None:
            vectors[batch] = self._pass([prepared[position] for position in batch])

        run_batches(plan_batches(lengths, budget_tokens=budget), embed_batch, streams=self._streams)
        return vectors

    def _pass(self, texts: list[str]) -> NDArray[np.float32]:
        """Threads may be here together: the tokenizer's settings are state, but they are the same in every call and
        were set by the first, while the model was loaded."""
        import torch

        with torch.inference_mode():
            features = self._tokenizer(
                texts, padding=True, truncation=True, max_length=self._spec.max_tokens, return_tensors="pt"
            )
            return unit_rows(self._forward(features))


class TextSide:
    """The text methods of a model with a tower; queries and documents are treated alike."""

    def __init__(self, texts: TextTower) -> None:
        self.tokens = texts.tokens
        self.special_tokens = texts.special_tokens
        self._texts = texts

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``."""
        return self._texts.embed(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``."""
        return self._texts.embed(texts)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer.

    Raises:
        ModelError: code "model-unreadable".
    """
    from transformers import AutoTokenizer

    def load() -> PreTrainedTokenizerBase:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        return found

    return read_part(folder, load)
