"""How long a dead child stays dead."""

from __future__ import annotations

FIRST_S = 0.25
LONGEST_S = 5.0
HEALTHY_S = 30.0


class Backoff:
    """Pauses that double from 0.25 s to 5 s, and start over for a child that lived for 30 s."""

    def __init__(self) -> None:
        self.failures = 0

    def after_exit(self, lived_s: float) -> float:
        """The pause before the next start of a child that ran for ``lived_s``, in seconds."""
        if lived_s >= HEALTHY_S:
            self.failures = 0
        self.failures += 1
        return float(min(FIRST_S * 2 ** (min(self.failures, 16) - 1), LONGEST_S))
