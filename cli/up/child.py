"""One child process of the supervisor: how it is started so that it cannot outlive us, and how it is ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cli.up.backoff import Backoff
from cli.up.heartbeat import STILL_LIMIT_S, HeartbeatWatch
from cli.up.proc import ProcessId, identify, signal_group

_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: the child may not take the loader's lock
_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127


class Tier(StrEnum):
    """The order of the end: work first, so that it can still write, then what it writes to."""

    WORK = "work"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run and how to look after it.

    ``death_signal`` is what the kernel sends when the supervisor dies: SIGKILL for work (the ledger makes that safe,
    and a forward pass would not listen to less), SIGTERM for Redis, which closes its files first.
    A ``oneshot`` is done when it ends with status 0. ``heartbeat`` names the file by which it is judged,
    ``still_limit_s`` how long that may stand still.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    tier: Tier = Tier.WORK
    death_signal: int = signal.SIGKILL
    niceness: int = 0
    heartbeat: Path | None = None
    still_limit_s: float = STILL_LIMIT_S
    oneshot: bool = False


class Child:
    """A supervised process. Only the thread that lives as long as the supervisor may call ``start``.

    PR_SET_PDEATHSIG fires when the *thread* that forked ends, so the supervisor has one thread.
    """

    def __init__(self, spec: ChildSpec, log: Path, keep_open: tuple[int, ...] = ()) -> None:
        self.spec = spec
        self.log = log
        self.backoff = Backoff()
        self.watch: HeartbeatWatch | None = None
        self.identity: ProcessId | None = None
        self.due_at: float | None = None
        self.group = 0  # its process group, the number of the last start's pid
        self.starts = 0
        self._keep_open = keep_open
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    @property
    def running(self) -> bool:
        """Whether there is a process that has not been seen to end."""
        return self._process is not None

    def start(self, environment: Mapping[str, str], watched: float) -> None:
        """Starts the process in a session of its own, with its output appended to the log.

        Args:
            environment: the whole environment; the spec's own values win.
            watched: the supervisor's clock for heartbeats.

        Raises:
            OSError: the program cannot be run.
        """
        if self.spec.heartbeat is not None:
            self.spec.heartbeat.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            with contextlib.suppress(OSError):  # a full disk must not keep a child from being started
                os.write(
                    log.fileno(), f"{_start_line(self.spec.name)}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode()
                )
            self._process = subprocess.Popen(
                self.spec.command,
                env={**environment, **self.spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self._keep_open,
                preexec_fn=_die_with(os.getpid(), self.spec.death_signal, self.spec.niceness),
            )
        self.group = self._process.pid
        self.identity = identify(self.group)
        self.watch = HeartbeatWatch(watched, self.spec.still_limit_s) if self.spec.heartbeat is not None else None
        self.due_at = None
        self.starts += 1
        self._started_at = time.monotonic()

    def reap(self) -> int | None:
        """The exit status if the process has ended (negative: the signal), after ending the rest of its group.

        The group is signalled while the dead leader is still a zombie: until then its number cannot be reused.
        """
        if self._process is None:
            return None
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        signal_group(self._process.pid, signal.SIGKILL)
        status = self._process.wait()
        self._process = None
        self.identity = None
        self.watch = None
        return status

    def lived_s(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._started_at

    def terminate(self) -> None:
        """Asks the process itself to end; what it started is its business for now."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the whole group at once."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    def read_heartbeat(self) -> bytes | None:
        """The content of the heartbeat file, None when there is none yet."""
        if self.spec.heartbeat is None:
            return None
        try:
            return self.spec.heartbeat.read_bytes()
        except OSError:
            return None

    def tail(self, lines: int = 12) -> str:
        """The end of the log of the last start, for a message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 16_384))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        marker = _start_line(self.spec.name)
        last_start = text.rpartition(marker)[2].partition("\n")[2] if marker in text else text
        return "\n".join(last_start.strip().splitlines()[-lines:])


def _start_line(name: str) -> str:
    return f"--- {name} started "


def _die_with(parent: int, death_signal: int, niceness: int) -> Callable[[], None]:
    """What the forked child does before it becomes the program: ask to die with us, and see whether we still live."""

    def prepare() -> None:
        if _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            os._exit(_NOT_STARTED)
        if os.getppid() != parent:  # we died between the fork and the prctl: nobody would ever send the signal
            os._exit(_NOT_STARTED)
        if niceness:
            os.nice(niceness)

    return prepare
