"""Whether a tokenizer belongs to the weights beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services.errors import ModelError


def check_vocabulary(folder: Path, vocabulary: Mapping[str, int], rows: int) -> None:
    """Refuses a tokenizer that knows tokens which the weights have no row for.

    Texts without such a token would go through, so embedding a few of them proves nothing.

    Args:
        vocabulary: tokens to their numbers.
        rows: of the matrix of token embeddings.

    Raises:
        ModelError: code "model-unreadable".
    """
    needed = max(vocabulary.values(), default=-1) + 1
    if needed > rows:
        raise ModelError(
            f"the tokenizer in {folder} knows {needed:,} tokens and the weights only {rows:,}: they belong to two "
            "different models; copy the whole folder again",
            code="model-unreadable",
        )
