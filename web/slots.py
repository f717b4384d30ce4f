"""How many uploads are worked on at once: some, with a few waiting briefly; the rest is told when to come again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.errors import Overloaded

WAIT_S = 2.0
WAITING_PER_SLOT = 2
RETRY_AFTER_S = 2


class UploadSlots:
    """Slots for uploads and other bodies that cost memory and disk while they are taken in.

    Args:
        slots: uploads in work at a time.
        threads: of the server; most of them stay free for searches.
        wait_s: how long one waits for a slot.
    """

    def __init__(self, slots: int, threads: int, *, wait_s: float = WAIT_S) -> None:
        self.slots = min(slots, max(1, threads // 3))
        self.most_waiting = min(WAITING_PER_SLOT * self.slots, max(1, threads // 3))
        self._wait_s = wait_s
        self._free = threading.Condition()
        self._taken = 0
        self._waiting = 0

    @property
    def taken(self) -> int:
        """Uploads in work now."""
        return self._taken

    def take(self) -> Callable[[], None]:
        """Takes a slot, waiting for it if need be; returns what gives it back (more than once does no harm).

        Raises:
            Overloaded: all are taken, and as many as may are waiting or the wait was too long.
        """
        with self._free:
            if self._taken >= self.slots:
                self._wait()
            self._taken += 1
        return self._giver()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds a slot for a while. Raises as ``take``."""
        give_back = self.take()
        try:
            yield
        finally:
            give_back()

    def _wait(self) -> None:
        if self._waiting >= self.most_waiting:
            raise self._refusal()
        self._waiting += 1
        ends = time.monotonic() + self._wait_s
        try:
            while self._taken >= self.slots:
                left = ends - time.monotonic()
                if left <= 0:
                    raise self._refusal()
                self._free.wait(left)
        finally:
            self._waiting -= 1

    def _giver(self) -> Callable[[], None]:
        given = False

        def give_back() -> None:
            nonlocal given
            with self._free:
                if not given:
                    given = True
                    self._taken -= 1
                    self._free.notify()

        return give_back

    def _refusal(self) -> Overloaded:
        return Overloaded(
            f"{self.slots} uploads are in work and others wait, which is all that is done at once "
            "(NEARFIELD_UPLOADS_AT_ONCE); nothing of this one was accepted. Send it again in a moment",
            code="too-many-uploads",
            retry_after_s=RETRY_AFTER_S,
        )
