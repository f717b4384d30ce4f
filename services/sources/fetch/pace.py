"""Good manners towards a server: a pause between two requests, kept per origin for the whole process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_PAUSE_S = 30.0  # a longer Crawl-delay is taken as this: a site of 1,000 pages is followed within a working day
MAX_HOLD_S = 3600.0
_REMEMBERED = 10_000


class Pace:
    """When the next request to an origin may be sent. Safe to share between threads.

    Args:
        pause_s: between two requests to one origin, unless it asks for more.
        clock: seconds, monotonic.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        pause_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause_s = pause_s
        self._clock = clock
        self._sleep = sleep
        self._free_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait_s(self, origin: str) -> float:
        """Seconds until a request to the origin may be sent."""
        with self._lock:
            return max(self._free_at.get(origin, 0.0) - self._clock(), 0.0)

    def take_turn(self, origin: str, delay_s: float | None = None) -> None:
        """Waits for the next turn and takes it.

        Args:
            delay_s: the pause that the origin asks for in its robots.txt.
        """
        pause_s = min(max(self._pause_s, delay_s or 0.0), MAX_PAUSE_S)
        with self._lock:
            self._forget_old()
            now = self._clock()
            turn = max(self._free_at.get(origin, 0.0), now)
            self._free_at[origin] = turn + pause_s
        if turn > now:
            self._sleep(turn - now)

    def hold(self, origin: str, seconds: float) -> None:
        """Leaves an origin alone for a while, at most an hour: it said that it is busy."""
        with self._lock:
            until = self._clock() + min(seconds, MAX_HOLD_S)
            self._free_at[origin] = max(self._free_at.get(origin, 0.0), until)

    def _forget_old(self) -> None:
        if len(self._free_at) > _REMEMBERED:
            now = self._clock()
            self._free_at = {origin: at for origin, at in self._free_at.items() if at > now}
