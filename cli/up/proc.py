"""What the kernel says about processes: who is alive, and who is who.

A pid alone is not a name: it is reused. A pid together with its start time (clock ticks since boot) is.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _START = 0, 19  # fields of /proc/PID/stat, counted from the one after the program's name


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    start_ticks: int


def identify(pid: int) -> ProcessId | None:
    """The identity of a process, None when it is gone (a zombie counts as gone)."""
    fields = _stat(pid)
    if fields is None or fields[_STATE] == "Z":
        return None
    return ProcessId(pid, int(fields[_START]))


def is_running(process: ProcessId) -> bool:
    """Whether exactly this process is still there."""
    return identify(process.pid) == process


def signal_group(group: int, number: int) -> bool:
    """Sends a signal to every process of a group; False when the group is empty."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may itself hold blanks and brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
