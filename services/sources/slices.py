"""What the runs of all kinds of sources share: their time slice, and how they end early."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.sources.values import Tally


class NotOurs(Exception):
    """Another collector acts now; whatever is in hand is dropped. Doing it again does no harm."""


class Slice:
    """Time for one step of a run, so that a long one lets others in.

    Args:
        seconds: from now.
        guard: raises NotOurs when this process may act no more.
        clock: seconds, monotonic.
    """

    def __init__(
        self, seconds: float, guard: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self.guard = guard

    def left_s(self) -> float:
        """Seconds that are left, 0 when it is over."""
        return max(self._end - self._clock(), 0.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands after a step.

    ``wait_s`` None: it is at its end; else when the next step is worth while. ``root`` is the identity of a folder.
    """

    tally: Tally
    wait_s: float | None = None
    root: str = ""


class Run(Protocol):
    """One look at a source, done in steps."""

    def step(self, slice_: Slice) -> Progress:
        """Goes on for about a slice.

        Raises:
            SourceError: the source cannot be read; nothing was removed.
            NearfieldError: what was found could not be handed over.
            NotOurs: as the slice's guard.
        """
        ...
