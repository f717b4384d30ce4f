"""A worker's end of the fork server: starts it, gives it tasks, and notices when it is gone."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from dataclasses import replace
from pathlib import Path

from services.errors import Unavailable
from services.ingest.extract.types import Tick
from services.ingest.sandbox.messages import CANCEL, PACKET_BYTES, PROGRESS, Hello, Task, Verdict
from services.ingest.sandbox.watching import Watch, cpu_allowance

log = logging.getLogger(__name__)

_START_LIMIT_S = 60.0
_TICK_S = 0.25
_GRACE_S = 15.0  # beyond a child's own limit, for ending what came from it


class ServerDied(Exception):
    """The server went away, or stands still, over a task."""


class ServerLink:
    """One server at a time.

    Args:
        folder: where the server gets a folder of its own.
        extractors: further readers.
        walled: whether the file system is closed to children.
    """

    def __init__(self, folder: Path, extractors: str, *, walled: bool) -> None:
        self._folder = folder
        self._options = ["--extractors", extractors, *([] if walled else ["--no-walls"])]
        self._server: _Server | None = None

    @property
    def pid(self) -> int:
        """The server's process id, 0 while there is none."""
        return self._server.process.pid if self._server else 0

    def start(self) -> None:
        """Starts a server where there is none.

        Raises:
            Unavailable: it cannot be started.
        """
        if self._server is not None and self._server.process.poll() is None:
            return
        self.close()
        try:
            self._server = _Server(self._folder, self._options)
        except OSError as error:
            raise _unavailable(f"the process that reads files cannot be started: {error.strerror}") from error

    def close(self) -> None:
        """Ends the server."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def run(self, task: Task, source: int, target: int, tick: Tick) -> Verdict:
        """Has one task done.

        Args:
            source, target: descriptors of the document and of the file for the result.
            tick: called while it lasts; what it raises ends the task.

        Raises:
            ServerDied: over this task. Unavailable: it does not come up.
        """
        self.start()
        server = self._server
        assert server is not None  # noqa: S101 - start has seen to it
        try:
            server.wait_ready(tick)
            try:
                socket.send_fds(server.control, [task.encode()], [source, target])
                return _verdict(server.control, task, tick, Watch(server.process.pid, cpu_allowance(task)))
            except (BrokenPipeError, ConnectionResetError):
                raise ServerDied from None
        except ServerDied:
            self.close()
            raise
        except BaseException:
            if not server.cancel():
                self.close()
            raise


class _Server:
    """A running server process and its folder."""

    def __init__(self, folder: Path, options: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _clear_abandoned(folder)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=folder)).resolve()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ready = False
        with theirs:
            self.process = subprocess.Popen(
                _command(theirs.fileno(), self.folder, options),
                env=_environment(self.folder),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        # A server that nobody refers to any more ends by itself once this end of the pair is closed.
        self._end = weakref.finalize(self, _end, self.process, self.control, self.folder)

    def wait_ready(self, tick: Tick) -> None:
        """Waits for the server's first word; once."""
        if self.ready:
            return
        packet = _receive(self.control, time.monotonic() + _START_LIMIT_S, tick)
        if not packet:
            self.end()
            raise _unavailable("the process that reads files does not start; the worker's log says why")
        for media_type, reason in Hello.decode(packet).missing.items():
            log.error("%s cannot be read here: %s", media_type, reason)
        self.ready = True

    def cancel(self) -> bool:
        """Gives up the task in hand; False when the server does not follow."""
        if not self.ready:
            return True
        with contextlib.suppress(OSError):
            self.control.send(CANCEL)
            deadline = time.monotonic() + _GRACE_S
            while packet := _receive(self.control, deadline, lambda: None):
                if packet != PROGRESS:
                    return True
        return False

    def end(self) -> None:
        """Ends the process and what it has in hand."""
        self._end()


def _verdict(control: socket.socket, task: Task, tick: Tick, watch: Watch) -> Verdict:
    """The end of the task; with the watch's reason where that brought it about."""
    deadline = time.monotonic() + task.limits.wall_s + _GRACE_S
    stopped = ""

    def wait() -> None:
        nonlocal stopped
        tick()
        if not stopped:
            stopped = watch.look()
            if stopped:
                control.send(CANCEL)

    while True:
        packet = _receive(control, deadline, wait)
        if not packet:
            raise ServerDied
        if packet == PROGRESS:
            watch.heard()
            continue
        verdict = Verdict.decode(packet)
        # One that ended by itself in the meantime has ended by itself.
        return replace(verdict, stopped=stopped) if stopped and verdict.stopped == "cancel" else verdict


def _receive(control: socket.socket, deadline: float, tick: Tick) -> bytes:
    """The next packet; b"" when the other end is gone or the time is up. ``tick`` is called meanwhile."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return b""
        if poll.poll(min(left_s, _TICK_S) * 1000):
            try:
                return control.recv(PACKET_BYTES)
            except ConnectionResetError:
                return b""
        tick()


def _end(process: subprocess.Popen[bytes], control: socket.socket, folder: Path) -> None:
    """The closed socket tells the server, which ends its child with all that came from it; a deaf one is killed."""
    control.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _command(descriptor: int, folder: Path, options: list[str]) -> list[str]:
    module = "services.ingest.sandbox.server"
    return [sys.executable, "-P", "-m", module, "--socket", str(descriptor), "--folder", str(folder), *options]


def _environment(folder: Path) -> dict[str, str]:
    """Made from nothing: the worker's holds passwords. The same modules are found as here."""
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "MALLOC_ARENA_MAX": "1",  # the address space is limited, and there is one thread
        "OPENBLAS_NUM_THREADS": "1",  # a fork of a process with threads is no safe place
        "OMP_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }


def _clear_abandoned(folder: Path) -> None:
    """Removes the folders of servers whose worker is gone."""
    for left in folder.iterdir():
        owner = left.name.partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)


def _unavailable(what: str) -> Unavailable:
    return Unavailable(what, code="sandbox-unavailable", retry_after_s=10)
