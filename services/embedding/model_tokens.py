"""Counting in a model's own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase


class ModelTokens:
    """The ``TokenCounter`` of a sentence-transformers model.

    It has a copy of the tokenizer: the model's own is switched between truncating and padding by each call, and
    two threads in it at once fail with "Already borrowed".
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._slow = tokenizer
        self._fast = _unbounded_copy(tokenizer)

    @property
    def fast(self) -> Tokenizer | None:
        """See ``TokenCounter.fast``."""
        return self._fast

    def count(self, text: str) -> int:
        """See ``TokenCounter.count``."""
        return self.lengths([text])[0]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text without special tokens, never truncated. 1,000 docstrings take 30 ms."""
        if self._fast is not None:
            return [len(encoding) for encoding in self._fast.encode_batch_fast(list(texts), add_special_tokens=False)]
        return [len(self._slow.encode(text, add_special_tokens=False, truncation=False)) for text in texts]


def _unbounded_copy(tokenizer: PreTrainedTokenizerBase) -> Tokenizer | None:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    from tokenizers import Tokenizer

    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy
