"""Words as the families without a tokenizer of their own see them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD = re.compile(r"\w+")


def fold(word: str) -> str:
    """A word in the form in which equal words are equal: NFKC, then case folded."""
    return unicodedata.normalize("NFKC", word).casefold()


def folded_words(text: str, max_words: int | None = None) -> list[str]:
    """The first ``max_words`` words of a text, folded; all of them by default."""
    return [fold(word) for word in WORD.findall(text)[:max_words]]


class WordCounter:
    """A ``TokenCounter`` for models whose tokens are words."""

    @property
    def fast(self) -> Tokenizer | None:
        """None: there is no vocabulary."""
        return None

    def count(self, text: str) -> int:
        """Words of ``text``."""
        return len(WORD.findall(text))
