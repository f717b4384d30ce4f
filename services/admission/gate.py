"""The gate that new work passes: asked at every request, looking at most once a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from services.admission.policy import Gauge, Standing, judge

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Admission:
    """What is known of the room there is.

    Without ``start`` whoever asks after a second looks, one at a time, and nobody waits for him. After it a thread
    looks, so that a Redis that hangs keeps no request waiting.

    Args:
        read: what can be read now.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], Iterable[Gauge]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._standing = Standing()
        self._gauges: tuple[Gauge, ...] = ()
        self._looked: float | None = None
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def standing(self) -> Standing:
        """Whether there is room, as of a second ago at most while nothing hangs."""
        if self._thread is None and (self._looked is None or self._clock() - self._looked >= LOOK_S):
            self.look()
        return self._standing

    def gauges(self) -> tuple[Gauge, ...]:
        """The readings that the standing came from."""
        return self._gauges

    def admit(self) -> None:
        """Lets new work pass.

        Raises:
            StorageFull: memory or a disk is over its mark. Overloaded: too much is waiting.
        """
        refusal = self.standing().refusal()
        if refusal is not None:
            raise refusal

    def look(self) -> None:
        """Reads everything and judges; returns at once where another thread is at it."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            gauges = tuple(self._read())
            standing = judge(gauges, self._standing)
            self._tell(standing)
            self._standing, self._gauges = standing, gauges
        finally:
            self._looked = self._clock()
            self._looking.release()

    def start(self) -> None:
        """Looks every second in a thread from now on."""
        self._thread = threading.Thread(target=self._watch, name="admission", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; one that waits for a server that hangs ends with the process."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # the watch must outlive any surprise; what is known stays known
                log.exception("the room could not be looked at")
            self._stop.wait(LOOK_S)

    def _tell(self, standing: Standing) -> None:
        before = {shortage.resource for shortage in self._standing.shortages}
        now = {shortage.resource for shortage in standing.shortages}
        for shortage in standing.shortages:
            if shortage.resource not in before:
                log.warning("no room for more: %s", shortage.sentence)
        for resource in sorted(before - now):
            log.info("room again: %s", resource.value)
