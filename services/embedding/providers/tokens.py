"""Estimating how many tokens a provider's model sees in a text: its tokenizer is not here.

Measured on English prose, byte-pair tokenizers make about one token of a word of up to five letters. The estimate here,
one for every four letters of a word begun and one for each mark, is above that, so chunks stay below the real limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNIT = re.compile(r"\w+|[^\w\s]")
_ASCII_CHARS_PER_TOKEN = 4
_OTHER_BYTES_PER_TOKEN = 2


class EstimatedTokens:
    """A ``TokenCounter`` that estimates."""

    @property
    def fast(self) -> Tokenizer | None:
        """None: there is no vocabulary."""
        return None

    def count(self, text: str) -> int:
        """About how many tokens ``text`` has, rather too many than too few."""
        return sum(_cost(match[0]) for match in _UNIT.finditer(text))


def cut(text: str, max_tokens: int) -> str:
    """The beginning of a text that has at most so many estimated tokens."""
    left = max_tokens
    for match in _UNIT.finditer(text):
        cost = _cost(match[0])
        if cost > left:
            return text[: match.start() + _fitting(match[0], left)]
        left -= cost
        if not left:
            return text[: match.end()]
    return text


def _cost(unit: str) -> int:
    if unit.isascii():
        return -(-len(unit) // _ASCII_CHARS_PER_TOKEN)
    return -(-len(unit.encode("utf-8", "replace")) // _OTHER_BYTES_PER_TOKEN)


def _fitting(unit: str, tokens: int) -> int:
    """How many characters of a unit cost at most ``tokens``."""
    if unit.isascii():
        return tokens * _ASCII_CHARS_PER_TOKEN
    size = 0
    for position, character in enumerate(unit):
        size += len(character.encode("utf-8", "replace"))
        if size > tokens * _OTHER_BYTES_PER_TOKEN:
            return position
    return len(unit)
