"""How much to take in hand at a time, so that a slice of work lasts about as long as it should."""

from __future__ import annotations

SLICE_S = 2.0
_FIRST_BYTES_PER_S = 48 * 1024  # a two-core machine with MiniLM embeds about this much text
_LEAST_BYTES, _MOST_BYTES = 16 * 1024, 8 * 1024 * 1024
_WEIGHT = 0.3


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
