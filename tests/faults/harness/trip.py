"""The n-th call fails: Redis commands, system calls on the data folder and calls of the model are counted and tripped.

The wires are laid into real dependencies: connections of the clients' own pools, ``os`` for one folder, the embedder.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import redis
from numpy.typing import NDArray

from services.embedding.protocol import Embedder
from services.redis_clients import Client


class Died(BaseException):
    """The process was killed here: nothing of it makes another call."""


class How(StrEnum):
    """What happens at the n-th call.

    REFUSED: nothing is sent. LOST: it takes effect, the answer does not come. HALF: half of its bytes are sent. LATE:
    the caller is told of a timeout, and it takes effect some calls later. DIES and DIED: the process ends before it, or
    after its effect. ACTS: somebody else does something just before it.
    """

    REFUSED = "refused"
    LOST = "lost"
    HALF = "half"
    LATE = "late"
    DIES = "dies before"
    DIED = "dies after"
    ACTS = "somebody else acts"


LATER_CALLS = 3


@dataclass
class Wire:
    """Counts calls and trips the n-th. ``n`` 0: never."""

    n: int = 0
    how: How = How.REFUSED
    act: Callable[[], None] = lambda: None
    calls: int = 0
    dead: bool = False
    armed: bool = False
    tripped: str = ""
    _late: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def step(self, what: str) -> How | None:
        """Counts a call; how it shall go wrong, or None. Raises Died where a dead process would have called."""
        with self._lock:
            if not self.armed:
                return None
            if self.dead:
                raise Died
            self.calls += 1
            for due, send in [entry for entry in self._late if entry[0] <= self.calls]:
                self._late.remove((due, send))
                self._unarmed(send)
            if self.calls != self.n:
                return None
            self.tripped = what
            if self.how is How.ACTS:
                self._unarmed(self.act)
                return None
            if self.how is How.DIES:
                self.dead = True
                raise Died
            return self.how

    def kill(self) -> None:
        """The process ends here, after the call's effect."""
        self.dead = True
        raise Died

    def later(self, send: Callable[[], None]) -> None:
        self._late.append((self.calls + LATER_CALLS, send))

    def _unarmed(self, call: Callable[[], None]) -> None:
        self.armed = False
        try:
            call()
        finally:
            self.armed = True

    @contextmanager
    def live(self) -> Iterator[None]:
        """Counts what happens inside. What is late arrives at the end at the latest; a death ends here."""
        self.armed, self.dead = True, False
        try:
            yield
        except Died:
            pass
        finally:
            self.armed = False
            for _, send in self._late:
                send()
            self._late.clear()


def wire_client(client: Any, wire: Wire, server: Client) -> None:
    """Lets the commands of a client run over the wire; ``server`` delivers what is late."""
    pool = client.connection_pool
    base = pool.connection_class

    class Wired(base):  # type: ignore[misc, valid-type]
        """A connection that asks the wire before each command."""

        _lost = False
        _connecting = False

        def connect_check_health(self, *arguments: Any, **more: Any) -> Any:
            self._connecting = True
            try:
                return super().connect_check_health(*arguments, **more)
            finally:
                self._connecting = False

        def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            if self._connecting:
                super().send_packed_command(command, check_health)
                return
            how = wire.step(_named(command))
            if how is None:
                super().send_packed_command(command, check_health)
                return
            data = b"".join(command) if not isinstance(command, bytes | str) else command
            if how is How.HALF:
                super().send_packed_command([data[: len(data) // 2]], check_health)
                self.disconnect()
                raise redis.ConnectionError("cut in the middle")
            if how is How.LATE:
                self.disconnect()
                wire.later(lambda: _deliver(server, data))
                raise redis.TimeoutError("no answer")
            if how is How.REFUSED:
                self.disconnect()
                raise redis.ConnectionError("refused")
            super().send_packed_command([data], check_health)
            self._lost = True

        def read_response(self, *arguments: Any, **more: Any) -> Any:
            try:
                return super().read_response(*arguments, **more)
            finally:
                if self._lost:
                    self._lost = False
                    self.disconnect()
                    if wire.how is How.DIED:
                        wire.kill()
                    raise redis.ConnectionError("the answer was lost")

    pool.disconnect()
    pool.connection_class = Wired


def _named(command: Any) -> str:
    """The first words of a packed command, for messages."""
    data = command if isinstance(command, bytes) else b"".join(command)
    words = [part for part in data[:200].split(b"\r\n") if part and part[:1] not in (b"*", b"$")]
    return b" ".join(words[:4]).decode("utf-8", "replace")[:70]


def _deliver(server: Client, data: bytes) -> None:
    """Sends bytes that somebody else meant to send, on a connection of its own, and waits until they took effect."""
    connection = server.connection_pool.make_connection()
    try:
        connection.send_packed_command([data])
        connection.read_response()
    except redis.RedisError:
        pass
    finally:
        connection.disconnect()


@dataclass
class WiredEmbedder:
    """An embedder whose calls run over the wire."""

    inner: Embedder
    wire: Wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def embed_documents(self, given: Sequence[str]) -> NDArray[Any]:
        how = self.wire.step("embed")
        if how is How.DIED:
            self.wire.kill()
        if how is not None:
            raise RuntimeError("the model failed")
        return self.inner.embed_documents(given)


@dataclass
class WiredModels:
    """A registry of wired embedders."""

    inner: Any
    wire: Wire

    def load(self, name: str) -> Any:
        return WiredEmbedder(self.inner.load(name), self.wire)

    def spec(self, name: str) -> Any:
        return self.inner.spec(name)


_CALLS = ("fsync", "open", "replace", "link", "unlink")


@contextmanager
def wired_disk(folder: Path, wire: Wire) -> Iterator[None]:
    """Lets system calls on files below ``folder`` run over the wire: a full disk, an error of the device, a crash."""
    real = {name: getattr(os, name) for name in _CALLS}

    def wired(name: str) -> Callable[..., Any]:
        def call(target: Any, *arguments: Any, **more: Any) -> Any:
            if not wire.armed or not _below(target, folder):
                return real[name](target, *arguments, **more)
            how = wire.step(f"{name} {target}")
            if how is None:
                return real[name](target, *arguments, **more)
            if how in (How.LOST, How.DIED):
                real[name](target, *arguments, **more)
            if how is How.DIED:
                wire.kill()
            number = errno.ENOSPC if how is How.REFUSED else errno.EIO
            raise OSError(number, os.strerror(number))

        return call

    for name in _CALLS:
        setattr(os, name, wired(name))
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def _below(target: Any, folder: Path) -> bool:
    if isinstance(target, int):
        try:
            target = Path(f"/proc/self/fd/{target}").readlink()
        except OSError:
            return False
    return str(os.fspath(target)).startswith(str(folder))
