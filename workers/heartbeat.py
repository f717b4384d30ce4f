"""A process' sign of life: a small file, written every second by a thread of its own.

The thread alone proves little: it beats on while the work is stuck. So the file also says whether there is work in hand
and counts its steps; a process that is busy and whose counter stands still is stuck, and its supervisor may end it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

PERIOD_S = 1.0


class Heartbeat:
    """Writes ``{"pid", "time", "counter", "busy"}`` to ``path``, whole or not at all.

    Args:
        path: the file; None for no file (the counting works all the same).
        period_s: seconds between two writes.
    """

    def __init__(self, path: Path | None, *, period_s: float = PERIOD_S) -> None:
        self._path = path
        self._period_s = period_s
        self._counter = 0
        self._busy = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Writes the first beat and starts the thread."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    @property
    def counter(self) -> int:
        """Steps forward until now."""
        return self._counter

    @property
    def busy(self) -> bool:
        """Whether there is work in hand."""
        return self._busy

    def progress(self) -> None:
        """Counts a step forward of the work."""
        self._counter += 1

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Marks the process as busy: from here on, standing still is a fault."""
        self.progress()
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
            self.progress()

    def close(self) -> None:
        """Stops the thread and takes the file away."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            self._write()

    def _write(self) -> None:
        assert self._path is not None  # noqa: S101 - only started with one
        beat = {"pid": os.getpid(), "time": time.time(), "counter": self._counter, "busy": self._busy}
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(beat), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:  # a full disk must not end the work; a missing beat is the supervisor's to judge
            log.warning("the heartbeat was not written: %s", error)
