"""A line to a Redis that can lose a reply: the request arrives and takes effect, the answer does not come back."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class LossyProxy:
    """Forwards one unix socket to another; ``lose`` makes it cut connections instead of passing an answer on."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path = path
        self._server = server
        self._lock = threading.Lock()
        self._to_lose = self._to_pass = 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def lose(self, replies: int, *, after: int = 0) -> bool:
        """Loses the replies that follow the next ``after`` ones. Returns whether the last order was carried out."""
        with self._lock:
            carried_out = self._to_lose == 0
            self._to_lose, self._to_pass = replies, after
            return carried_out

    def close(self) -> None:
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            far.connect(str(self._server))
            self._sockets += [near, far]
            for source, target, back in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._pump, args=(source, target, back), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if back and self._takes():
                    break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _takes(self) -> bool:
        with self._lock:
            if self._to_pass > 0:
                self._to_pass -= 1
                return False
            if self._to_lose == 0:
                return False
            self._to_lose -= 1
            return True
