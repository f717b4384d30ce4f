"""The supervisor's side of the undertaker: starts it, tells it which groups there are, replaces it if it dies."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = Path(__file__).with_name("undertaker.py")


class Burial:
    """Groups that must not outlive this process, whatever ends it."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    @property
    def pid(self) -> int | None:
        """The undertaker's pid while it runs."""
        return self._process.pid if self._process is not None else None

    def ensure(self) -> None:
        """Starts the undertaker if there is none, and tells a new one everything."""
        if self._process is not None and self._process.poll() is None:
            return
        self._forget()
        reading, self._pipe = os.pipe()  # not inheritable: no other child keeps the writing end open
        for group in sorted(self._groups):  # before it runs: this process may be killed at any moment
            self._tell(f"+{group}")
        # -I -S: no site packages to import, so that it is there within some 10 ms
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT)],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(reading)

    def add(self, group: int) -> None:
        """A group now exists."""
        self._groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """A group is gone; its number may come back as somebody else's."""
        self._groups.discard(group)
        self._tell(f"-{group}")

    def close(self) -> None:
        """Closes the pipe: the undertaker buries what was not removed, and goes."""
        self._forget()

    def _forget(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # it died: ``ensure`` starts the next and tells it everything
                os.write(self._pipe, line.encode("ascii") + b"\n")
