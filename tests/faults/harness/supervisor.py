"""Starts dead processes again, as `nearfield up` does: with its pauses, and with its eye on stuck heartbeats."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from cli.up.backoff import Backoff
from cli.up.heartbeat import HeartbeatWatch
from tests.processes import ProductProcess

LOOK_S = 0.05
STEADY_S = 0.25
"""Pause before a restart where the schedule kills far more often than any supervisor would be patient with."""


class Charge:
    """One process in the supervisor's care."""

    def __init__(self, process: ProductProcess, heartbeat: Path | None) -> None:
        self.process = process
        self._heartbeat = heartbeat
        self._backoff = Backoff()
        self._started = time.monotonic()
        self._due: float | None = None
        self._watch = self._new_watch()
        self.restarts = 0

    def look(self, *, patient: bool) -> None:
        now = time.monotonic()
        if self._due is None and (self.process.process is None or self.process.process.poll() is not None):
            pause = self._backoff.after_exit(now - self._started)
            self._due = now + (pause if patient else STEADY_S)
        if self._due is not None and now >= self._due:
            if self._heartbeat is not None:
                self._heartbeat.unlink(missing_ok=True)
            self.process.start()
            self._started, self._due, self._watch = now, None, self._new_watch()
            self.restarts += 1
        if self._watch is not None and self._heartbeat is not None and self._due is None:
            content = self._heartbeat.read_bytes() if self._heartbeat.exists() else None
            if self._watch.look(content, now) is not None:
                self._watch = None
                self.process.kill()

    def _new_watch(self) -> HeartbeatWatch | None:
        return None if self._heartbeat is None else HeartbeatWatch(time.monotonic())


class Supervisor:
    """A thread that looks after processes until it is closed.

    Args:
        patient: with the pauses of `nearfield up`, which double up to 5 s for what dies again and again.
    """

    def __init__(self, *, patient: bool) -> None:
        self._patient = patient
        self._charges: list[Charge] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def add(self, process: ProductProcess, heartbeat: Path | None = None) -> None:
        with self._lock:
            self._charges.append(Charge(process, heartbeat))

    def leave(self, process: ProductProcess) -> None:
        """Looks after it no longer."""
        with self._lock:
            self._charges = [charge for charge in self._charges if charge.process is not process]

    def restarts(self) -> int:
        return sum(charge.restarts for charge in self._charges)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                for charge in self._charges:
                    charge.look(patient=self._patient)
