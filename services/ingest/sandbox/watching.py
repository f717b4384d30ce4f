"""The worker's eye on a child that says nothing: whether it sleeps for good, or computes without getting anywhere.

The fork server cannot look, it has shut itself out of ``/proc``; the worker can. It tells two cases from an honest
reader long before the wall time of the silence limit is over, and neither by that time: a busy machine slows a reader
down, but takes no processor time for it.

Asleep: no process of the child has had a nanosecond of processor time, and none is running, waiting for a processor
(state R), for a disk (D) or stopped by somebody (T), at every look of 4 seconds. Nothing will wake it: it has no
network, and its document is a file. A reader that polls something wakes a little each time, and falls to the limit of
silence.

Looping: 5 seconds of processor time since the last sign of progress, a third of the limit of silence, and 4 s more for
each MB of the document. What honest files took between two signs at most, on a server of 2026, one processor: a
paragraph of Markdown on one line 2.9 s/MB (10 s for 3.4 MB, the slowest of all), one PDF page 0.5 s/MB, in short lines
1.1 s/MB (7.2 s for 6.5 MB), an EPUB chapter that is one table of 14 MB 2.6 s (1.4 s/MB packed), an ODT table of 100,000
rows 2.0 s (1.8 s/MB packed), HTML 0.2 s/MB (6.2 s for 32 MB), an XLS of 121 MB 1.3 s, all others less. So a machine of
half that speed will do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from services.ingest.sandbox.messages import Task

LOOK_S = 0.5
LOOKS_ASLEEP = 9
"""So many looks in a row, 4 s from the first to the last. Looks, not time: a machine that stood still had none."""

CPU_S_PER_MB = 4.0
_MB = 1_000_000
_SLEEPING, _DEAD = "S", "ZX"


@dataclass(frozen=True, slots=True)
class Activity:
    """What a child was doing at a look.

    Args:
        pids: its processes, itself first.
        cpu_s: their processor time so far.
        states: the letters of all their threads, as in ``/proc/<pid>/stat``, without dead ones.
    """

    pids: tuple[int, ...] = ()
    cpu_s: float = 0.0
    states: frozenset[str] = frozenset()


def cpu_allowance(task: Task) -> float:
    """The processor time that a child may take without a sign of progress."""
    return min(task.limits.silence_cpu_s + CPU_S_PER_MB * task.length / _MB, float(task.limits.cpu_s))


@dataclass(slots=True)
class Watch:
    """Looks at what the server has in hand, at most twice a second.

    Args:
        server: the fork server's process id; what comes from it is one child's.
        allowance_s: see ``cpu_allowance``.
    """

    server: int
    allowance_s: float
    _looked: float = field(default_factory=time.monotonic)
    _before: Activity = field(default_factory=Activity)
    _began_s: float | None = None
    _asleep: int = 0

    def heard(self) -> None:
        """Takes note of a sign of progress. Processor time counts from the next look on."""
        self._began_s = None
        self._asleep = 0

    def look(self) -> str:
        """Why the child must end: "asleep" or "looping"; "" when it need not, or no look was due."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return ""
        self._looked = now
        return self.judge(activity_below(self.server))

    def judge(self, seen: Activity) -> str:
        """The same for what a look has shown."""
        is_same = bool(seen.pids) and (seen.pids, seen.cpu_s) == (self._before.pids, self._before.cpu_s)
        self._before = seen
        if seen.states != {_SLEEPING}:
            self._asleep = 0
        else:
            self._asleep = self._asleep + 1 if is_same else 1
        if self._asleep >= LOOKS_ASLEEP:
            return "asleep"
        if self._began_s is None or seen.cpu_s < self._began_s:  # less: one of several processes is gone
            self._began_s = seen.cpu_s
        return "looping" if seen.cpu_s - self._began_s > self.allowance_s else ""


def activity_below(pid: int) -> Activity:
    """What all processes that come from ``pid`` are doing; nothing where the machine does not show it."""
    pids, waiting = [], _children(pid)
    while waiting:
        found = waiting.pop()
        pids.append(found)
        waiting += _children(found)
    states = frozenset(state for found in pids for state in _states(found)) - frozenset(_DEAD)
    return Activity(tuple(pids), sum(map(_cpu_s, pids)), states)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for text in _of_threads(pid, "children"):
        found += map(int, text.split())
    return found


def _states(pid: int) -> list[str]:
    """The state stands behind the program's name, which may hold anything but is in brackets."""
    return [state for text in _of_threads(pid, "stat") for state in text.rpartition(")")[2].split()[:1]]


def _of_threads(pid: int, name: str) -> list[str]:
    texts = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            texts.append((thread / name).read_text(errors="replace"))
    except OSError:  # it has ended meanwhile, or the kernel does not tell
        pass
    return texts


def _cpu_s(pid: int) -> float:
    """Of all its threads, to the nanosecond: by the clock that ``clock_getcpuclockid`` would give."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0
