"""The text side of a model that also embeds something else: the folder's tokenizer, batches of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.batching import plan_batches, share_budget
from services.embedding.media_models.sides import unit_rows
from services.embedding.media_models.torch_folder import read_part
from services.embedding.model_tokens import ModelTokens
from services.embedding.options import LoadOptions
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
        self._budget_tokens = options.batch_tokens or 2048

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, as ``Embedder.embed_documents``."""
        prepared = prepare_texts(texts, self._spec.max_tokens)
        vectors = np.empty((len(prepared), self._spec.dim), dtype=np.float32)
        limit = self._spec.max_tokens
        lengths = [min(length + self.special_tokens, limit) for length in self.tokens.lengths(prepared)]
        budget = share_budget(lengths, self._streams, limit_tokens=self._budget_tokens)

        def embed_batch(batch: list[int]) -> None:
            vectors[batch] = self._pass([prepared[position] for position in batch])

        batches = list(plan_batches(lengths, budget_tokens=budget))
        if self._streams == 1 or len(batches) < 2:
            for batch in batches:
                embed_batch(batch)
        else:
            with ThreadPoolExecutor(min(self._streams, len(batches))) as pool:
                list(pool.map(embed_batch, batches))
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
