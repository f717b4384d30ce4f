"""Notices a worker that has gone deaf: bells lie in the queue and it takes none.

After its broker was killed, Celery 5.7 sometimes waits for ever on a connection that is gone: the process is alive, its
event loop idle, and no setting wakes it (seen in about one of three kills under load). A new process costs seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

LOOK_S = 1.0
PATIENCE_LOOKS = 8


class Hearing:
    """Looks once a second from a thread of its own.

    Args:
        waiting: how many bells lie in the queue; may raise when Redis is away, which is no sign of deafness.
        steps: a count that rises with every bell that is answered and every step of work.
        busy: whether a bell is being answered now.
        end: ends the process.
        look_s: seconds between two looks.
    """

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        steps: Callable[[], int],
        busy: Callable[[], bool],
        end: Callable[[], None],
        look_s: float = LOOK_S,
    ) -> None:
        self._waiting = waiting
        self._steps = steps
        self._busy = busy
        self._end = end
        self._look_s = look_s
        self._missed = 0
        self._last_steps = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hearing", daemon=True)

    def start(self) -> None:
        """Starts the thread; called once Celery consumes."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()

    def look(self) -> bool:
        """One look; True when the worker has been deaf for too long."""
        steps = self._steps()
        try:
            unheard = not self._busy() and steps == self._last_steps and self._waiting() > 0
        except Exception as error:  # noqa: BLE001 - a Redis that is away, in whatever way, says nothing of our hearing
            log.debug("the queue cannot be looked at: %s", error)
            unheard = False
        self._last_steps = steps
        self._missed = self._missed + 1 if unheard else 0
        return self._missed >= PATIENCE_LOOKS

    def _run(self) -> None:
        while not self._stop.wait(self._look_s):
            if self.look():
                log.error("bells are waiting and Celery takes none: this worker ends, to be started again")
                self._end()
                return
