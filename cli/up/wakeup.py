"""Signals as events of the supervisor's loop: a child that ends and a request to stop both cut its sleep short."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wakeup:
    """Counts requests to stop and sleeps lightly. ``listen`` only in the main thread."""

    def __init__(self) -> None:
        self.stop_requests = 0
        self._reading, self._writing = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._listening = False

    def listen(self) -> None:
        """Takes over SIGCHLD, SIGINT, SIGTERM and SIGHUP."""
        for end in (self._reading, self._writing):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._reading, selectors.EVENT_READ)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._count)
        self._listening = True

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requests += 1

    def sleep(self, pause_s: float) -> None:
        """Sleeps until a signal comes, at most ``pause_s``."""
        if not self._listening:
            time.sleep(pause_s)
        elif self._selector.select(pause_s):
            self._reading.recv(4096)

    def close(self) -> None:
        """Gives the signals back and frees the descriptors."""
        if self._listening:
            signal.set_wakeup_fd(-1)
            for number in (*STOP_SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
        self._selector.close()
        self._reading.close()
        self._writing.close()
