"""A line between the product and a Redis that can go wrong in the ways in which networks do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from enum import StrEnum
from urllib.parse import quote

from tests.conftest import RunningRedis

BLOCK = 65536
LATENCY_S = 0.2
TRICKLE_S = 0.02
_HARD = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What the line does.

    REFUSE: no connection is taken and those there are are cut. BLACK_HOLE: nothing passes in either direction. RESET: a
    reset instead of every reply. HALF_REPLY: half of a reply, then a reset. LATENCY: each reply comes 200 ms late.
    TRICKLE: replies come byte by byte. ONE_WAY: requests arrive and take effect, replies do not come.
    """

    PASS = "pass"
    REFUSE = "refuse"
    BLACK_HOLE = "black hole"
    RESET = "reset"
    HALF_REPLY = "half reply"
    LATENCY = "latency"
    TRICKLE = "trickle"
    ONE_WAY = "one way"


class Line:
    """Listens on a TCP port of this machine and forwards to a server's unix socket."""

    def __init__(self, server: RunningRedis) -> None:
        self._server = server
        self._mode = Mode.PASS
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The server's URL by way of this line."""
        return f"redis://:{quote(self._server.password, safe='')}@127.0.0.1:{self.port}/0"

    def set(self, mode: Mode) -> None:
        """From now on."""
        with self._lock:
            was, self._mode = self._mode, mode
        if mode is Mode.REFUSE:
            self._cut_all()
        elif was in (Mode.BLACK_HOLE, Mode.ONE_WAY):
            self._cut_all()  # what was swallowed cannot be made up for: such a connection is never right again

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self._cut_all()
        self._accepting.join(5)

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listener.settimeout(0.2)
        return listener

    def _cut_all(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _reset(*pair)

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.settimeout(None)
            if self._mode is Mode.REFUSE:
                _reset(near)
                continue
            far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                far.connect(str(self._server.socket))
            except OSError:
                _reset(near, far)
                continue
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((near, far))
            for source, target, back in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, target, back), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                if not self._pass_on(data, target, back):
                    break
        _reset(source, target)

    def _pass_on(self, data: bytes, target: socket.socket, back: bool) -> bool:
        mode = self._mode
        if mode is Mode.BLACK_HOLE or (mode is Mode.ONE_WAY and back):
            return True
        if not back or mode in (Mode.PASS, Mode.ONE_WAY):
            target.sendall(data)
        elif mode is Mode.LATENCY:
            time.sleep(LATENCY_S)
            target.sendall(data)
        elif mode is Mode.TRICKLE:
            for place in range(len(data)):
                if self._mode is not Mode.TRICKLE:
                    target.sendall(data[place:])
                    break
                target.sendall(data[place : place + 1])
                time.sleep(TRICKLE_S)
        elif mode is Mode.HALF_REPLY:
            target.sendall(data[: len(data) // 2])
            return False
        else:
            return False
        return True


def _reset(*sockets: socket.socket) -> None:
    """Closes with RST, so that the other side sees a broken connection and not an end."""
    for end in sockets:
        with contextlib.suppress(OSError):
            if end.family is socket.AF_INET:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD)
                end.shutdown(socket.SHUT_RD)  # sends nothing, wakes the thread that reads, so that the close is one
            else:
                end.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            end.close()
