"""How much to take in hand, and how much to embed at a time, so that each lasts about as long as it should."""

from __future__ import annotations

SLICE_S = 2.0
_FIRST_BYTES_PER_S = 48 * 1024  # a two-core machine with MiniLM embeds about this much text
_LEAST_BYTES, _MOST_BYTES = 16 * 1024, 8 * 1024 * 1024
_WEIGHT = 0.3

# Texts of a window are sorted by length and shared out between the cores: 5,000 short texts took 20.7 s of processor
# time in windows of 4,000 tokens and 15.4 s in windows of 130,000. A call of the model shows no progress until it ends.
WINDOW_S = 0.5
_LEAST_TOKENS, _MOST_TOKENS = 4096, 131_072


class Pace:
    """Learns from each slice how many bytes a second this worker gets through."""

    def __init__(self) -> None:
        self._bytes_per_s = float(_FIRST_BYTES_PER_S)

    def slice_bytes(self) -> int:
        """How many bytes of documents to claim."""
        return int(min(max(self._bytes_per_s * SLICE_S, _LEAST_BYTES), _MOST_BYTES))

    def learn(self, done_bytes: int, took_s: float) -> None:
        """Takes in how a slice went; slices without documents of some size teach nothing."""
        if done_bytes < 1024 or took_s <= 0:
            return
        self._bytes_per_s += _WEIGHT * (done_bytes / took_s - self._bytes_per_s)


class WindowPace:
    """Learns from each call of the model how many tokens a second go through it."""

    def __init__(self) -> None:
        self._tokens_per_s = 0.0

    def window_tokens(self) -> int:
        """How many tokens to give to the model at a time, about."""
        return int(min(max(self._tokens_per_s * WINDOW_S, _LEAST_TOKENS), _MOST_TOKENS))

    def learn(self, tokens: int, took_s: float) -> None:
        """Takes in how a call went; small ones teach nothing."""
        if tokens < _LEAST_TOKENS // 2 or took_s <= 0:
            return
        rate = tokens / took_s
        before = self._tokens_per_s or rate
        self._tokens_per_s = before + _WEIGHT * (rate - before)
