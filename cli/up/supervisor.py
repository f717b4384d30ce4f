"""Keeps the children running, and ends all of them. One thread, because of PR_SET_PDEATHSIG (see ``child.py``)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from cli.up.burial import Burial
from cli.up.child import Child, ChildSpec, Tier
from cli.up.folder import DataFolder
from cli.up.logs import rotate
from cli.up.run_record import ChildRecord
from cli.up.wakeup import Wakeup
from services.errors import NearfieldError

STOP_WORK_S = 6.0
STOP_STORE_S = 2.5
KILL_S = 0.7  # how long a killed process may take to go; one that hangs in the kernel is left to the undertaker
TICK_S = 0.25
FAILED_STARTS_LIMIT = 3
ONESHOT_LIMIT = 8
_WATCHED_STEP_S = 2.0
_LOG_CHECK_S = 30.0


class StopRequested(Exception):
    """Somebody asked for the end while the start was still under way."""


class Observer(Protocol):
    """Who is told what happens (the screen)."""

    def died(self, child: Child, status: int, pause_s: float) -> None:
        """A child ended by itself and is started again after ``pause_s``."""

    def gave_up(self, child: Child, status: int) -> None:
        """A oneshot failed too often and is left alone until the next start."""

    def stuck(self, child: Child, reason: str) -> None:
        """A child stood still and has been killed; it is started again."""


class Supervisor:
    """Starts children, restarts the dead, kills the stuck, stops all.

    Args:
        folder: where logs go.
        observer: told about deaths.
        environment: what children inherit besides their own values.
        lock: descriptor of the folder's lock, kept open in every child.
        changed: called when a child was started or ended, to renew the run record.
    """

    def __init__(
        self,
        folder: DataFolder,
        observer: Observer,
        *,
        environment: Mapping[str, str],
        lock: int | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._observer = observer
        self._environment = dict(environment)
        self._keep_open = () if lock is None else (lock,)
        self._changed = changed
        self._children: list[Child] = []
        self._burial = Burial()
        self._watched = 0.0
        self._last_tick = time.monotonic()
        self._last_log_check = 0.0
        self._wakeup = Wakeup()

    def listen_to_signals(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask for the end. Call once, in the main thread."""
        self._wakeup.listen()

    @property
    def stop_requested(self) -> bool:
        """Whether a stop signal has come."""
        return self._wakeup.stop_requests > 0

    # -- children -------------------------------------------------------------------------------------------

    def add(self, spec: ChildSpec) -> Child:
        """Starts a child and looks after it from now on."""
        self._burial.ensure()
        child = Child(spec, self._folder.logs / f"{spec.name}.log", self._keep_open)
        self._children.append(child)
        self._start(child)
        return child

    def set_environment(self, **values: str) -> None:
        """Sets variables for children that are started from now on, restarts included."""
        self._environment.update(values)

    def records(self) -> tuple[ChildRecord, ...]:
        """The running children, for ``run.json``."""
        return tuple(
            ChildRecord(child.spec.name, child.identity.pid, child.identity.start_ticks, str(child.log))
            for child in self._children
            if child.identity is not None
        )

    def _start(self, child: Child) -> None:
        rotate(child.log)
        child.start(self._environment, self._watched)
        self._burial.add(child.group)
        self._changed()

    def _restart(self, child: Child) -> None:
        try:
            self._start(child)
        except OSError:  # no memory or no process left to fork just now: that must not end the others
            child.due_at = time.monotonic() + child.backoff.after_exit(0.0)

    def _look_after(self, child: Child) -> None:
        status = child.reap()
        if status is not None:
            self._burial.remove(child.group)
            self._ended(child, status)
        if child.due_at is not None and time.monotonic() >= child.due_at:
            self._restart(child)
        if child.watch is not None:
            reason = child.watch.look(child.read_heartbeat(), self._watched)
            if reason is not None:
                self._observer.stuck(child, reason)
                child.watch = None
                child.kill()

    def _ended(self, child: Child, status: int) -> None:
        if child.spec.oneshot and child.starts >= ONESHOT_LIMIT and status != 0:
            self._observer.gave_up(child, status)
        elif not (child.spec.oneshot and status == 0):
            pause = child.backoff.after_exit(child.lived_s())
            child.due_at = time.monotonic() + pause
            self._observer.died(child, status, pause)
        self._changed()

    # -- the loop -------------------------------------------------------------------------------------------

    def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        what: str,
        limit_s: float,
        essential: Iterable[Child] = (),
        poll_s: float = 0.02,
    ) -> None:
        """Runs the loop until ``condition`` holds.

        Raises:
            StopRequested: a stop signal came first.
            NearfieldError: an essential child failed three times in a row, or the time is up.
        """
        deadline = time.monotonic() + limit_s
        essential = tuple(essential)
        while not condition():
            for child in essential:
                if child.backoff.failures >= FAILED_STARTS_LIMIT:
                    raise _start_failed(child, f"{child.spec.name} ended {child.backoff.failures} times at its start")
            if time.monotonic() > deadline:
                late = essential[0] if essential else None
                raise _start_failed(late, f"{what} not ready after {limit_s:.0f} s")
            self._tick(poll_s)
            if self.stop_requested:
                raise StopRequested

    def run_until_stopped(self) -> None:
        """Runs the loop until a stop signal comes."""
        while not self.stop_requested:
            self._tick(TICK_S)

    def _tick(self, pause_s: float) -> None:
        for child in self._children:
            self._look_after(child)
        self._burial.ensure()
        self._check_logs()
        self._wakeup.sleep(pause_s)
        # A supervisor that itself was not scheduled (a suspended machine) must not blame its children for it.
        now = time.monotonic()
        self._watched += min(now - self._last_tick, _WATCHED_STEP_S)
        self._last_tick = now

    def _check_logs(self) -> None:
        if time.monotonic() - self._last_log_check > _LOG_CHECK_S:
            self._last_log_check = time.monotonic()
            for child in self._children:
                rotate(child.log)

    # -- the end --------------------------------------------------------------------------------------------

    def stop_all(self) -> list[str]:
        """Ends everything within 10 s: work first, then the servers.

        A second stop signal ends the patience with the work, a third that with the servers.

        Returns:
            the names of children that had to be killed.
        """
        for child in self._children:
            child.due_at = None
        killed = self._stop(Tier.WORK, STOP_WORK_S, 2) + self._stop(Tier.STORE, STOP_STORE_S, 3)
        for child in self._children:
            if not child.running:
                self._burial.remove(child.group)
        self._burial.close()
        return killed

    def _stop(self, tier: Tier, limit_s: float, signals: int) -> list[str]:
        children = [child for child in self._children if child.spec.tier is tier and child.running]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + limit_s
        late = self._reap(children)
        while late and time.monotonic() < deadline and self._wakeup.stop_requests < signals:
            self._wakeup.sleep(0.05)
            late = self._reap(late)
        for child in late:
            child.kill()
        left = late
        deadline = time.monotonic() + KILL_S
        while left and time.monotonic() < deadline:
            self._wakeup.sleep(0.02)
            left = self._reap(left)
        return [child.spec.name for child in late]

    def _reap(self, children: list[Child]) -> list[Child]:
        """Takes note of those that have ended; returns those that still run."""
        for child in children:
            if child.reap() is not None:
                self._changed()
        return [child for child in children if child.running]

    def close(self) -> None:
        """Gives the signals back and frees what the loop used."""
        self._wakeup.close()


def _start_failed(child: Child | None, what: str) -> NearfieldError:
    if child is None:
        return NearfieldError(what, code="start-failed")
    tail = child.tail()
    return NearfieldError(
        f"{what}. Its log is {child.log}" + (f"; the last lines:\n\n{tail}\n" if tail else ""), code="start-failed"
    )


def exit_words(status: int) -> str:
    """An exit status in words: "exit status 3", "killed by SIGSEGV"."""
    if status < 0:
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"
    return f"exit status {status}"
