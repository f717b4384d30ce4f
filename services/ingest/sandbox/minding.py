"""The server's eye on one child: until it ends, or has to; and nothing of it is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import time
from pathlib import Path

from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.messages import PACKET_BYTES, PROGRESS, Verdict

_CLEARING_S = 5.0


class Minder:
    """Waits for children.

    Args:
        control: the server's end of the pair of sockets.
        libc: the C library, for children.
    """

    def __init__(self, control: socket.socket, libc: ctypes.CDLL) -> None:
        self.libc = libc
        self._control = control

    def mind(self, pid: int, ears: int, limits: SandboxLimits) -> Verdict | None:
        """Waits until the child ends or is over a limit; then ends it with all that comes from it.

        Args:
            pid: the child.
            ears: a pipe on which it gives signs of progress.

        Returns:
            How it ended; None when the worker has gone away.
        """
        handle = os.pidfd_open(pid)
        try:
            stopped = self._watch(handle, ears, limits)
        finally:
            os.close(handle)
        _end_group(pid)
        _, status, usage = os.wait4(pid, 0)
        end_strays()
        clear_folder()
        if stopped == "gone":
            return None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        return Verdict(number, code, stopped, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)

    def _watch(self, handle: int, ears: int, limits: SandboxLimits) -> str:
        """ "" when the child has ended by itself, else why it must."""
        began = heard = time.monotonic()
        poll = select.poll()
        for descriptor in (handle, ears, self._control.fileno()):
            poll.register(descriptor, select.POLLIN)
        while True:
            now = time.monotonic()
            left_s = min(began + limits.wall_s, heard + limits.silence_s) - now
            if left_s <= 0:
                return "wall" if now - began >= limits.wall_s else "silence"
            events = dict(poll.poll(left_s * 1000 + 1))
            if handle in events:
                return ""
            if self._control.fileno() in events:
                return "cancel" if self._control.recv(PACKET_BYTES) else "gone"
            if ears in events:
                if os.read(ears, 4096):
                    heard = time.monotonic()
                    with contextlib.suppress(BlockingIOError):  # a worker that does not listen holds nobody up
                        self._control.send(PROGRESS, socket.MSG_DONTWAIT)
                else:  # it has closed the pipe; whatever else it does, it says no more
                    poll.unregister(ears)


def end_strays() -> None:
    """Ends every process that is left of a child: they have become this process' own children."""
    deadline = time.monotonic() + _CLEARING_S
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for stray in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray, signal.SIGKILL)
            time.sleep(0.001)


def clear_folder() -> None:
    """Removes what a child has left in the folder it stood in, which is this process' own."""
    for entry in os.scandir("."):
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink()


def _end_group(pid: int) -> None:
    """Ends the child and its process group. It has not been waited for, so its number is still its own."""
    for end in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(pid, signal.SIGKILL)


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(pid) for pid in path.read_text().split()]
    except OSError:  # a kernel without it: look at everybody's parent
        everybody = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in everybody if _parent(pid) == os.getpid()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
