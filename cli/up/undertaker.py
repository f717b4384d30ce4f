"""Ends the process groups of a supervisor that was killed. Run as a script, with only the standard library.

Each direct child of the supervisor dies with it by PR_SET_PDEATHSIG, but that is not inherited: a grandchild would live
on. The undertaker holds the reading end of a pipe whose only writer is the supervisor. Lines "+GROUP" and "-GROUP" say
which groups there are; the end of the file says that the supervisor is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 3.0


def groups_left(lines: Iterable[str]) -> set[int]:
    """The groups that were announced and not taken back when the lines ended."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit() and int(number) > 1:
            if sign == "+":
                groups.add(int(number))
            elif sign == "-":
                groups.discard(int(number))
    return groups


def signal_all(groups: Iterable[int], number: int) -> set[int]:
    """Signals every group; returns those that still had a member."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        alive.add(group)
    return alive


def bury(groups: set[int], grace_s: float = GRACE_S) -> None:
    """Asks the groups to end (Redis closes its files), then makes them."""
    alive = signal_all(groups, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = signal_all(alive, 0)
    signal_all(alive, signal.SIGKILL)


def main() -> None:
    """Waits for the end of the supervisor; signals meant for the terminal's group are not meant for it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    bury(groups_left(sys.stdin))


if __name__ == "__main__":
    main()
