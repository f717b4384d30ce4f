"""The folder of what is coming in: request bodies and uploaded files while they are being taken in.

They have no names where the file system can do that, so a process that dies leaves nothing. Where it cannot, a name may
be left behind; it is removed ten minutes later, at the start or by the running server.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from pathlib import Path

log = logging.getLogger(__name__)

NAME = "incoming"
ABANDONED_S = 600
SWEEP_S = 60.0


def incoming_folder(data_dir: Path) -> Path:
    """Makes the folder below the data folder and returns it."""
    folder = data_dir / NAME
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def use_for_temporary_files(folder: Path) -> None:
    """Has every temporary file of this process made there, those of the HTTP server and of form parsing included."""
    tempfile.tempdir = str(folder)


def sweep(folder: Path, *, now: float | None = None, older_than_s: float = ABANDONED_S) -> int:
    """Removes files that nobody has written to for ``older_than_s``; returns how many went.

    Args:
        folder: the folder of what is coming in.
        now: seconds since the epoch; None for this moment.
        older_than_s: younger ones stay.
    """
    now = time.time() if now is None else now
    removed = 0
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # gone already
            if path.is_file() and now - path.stat().st_mtime > older_than_s:
                path.unlink()
                removed += 1
    if removed:
        log.info("removed %d abandoned files of uploads", removed)
    return removed


class Sweeper:
    """Sweeps once a minute, however often it is called.

    Args:
        folder: the folder of what is coming in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = time.monotonic()

    def __call__(self) -> None:
        """Sweeps if it is time to."""
        if time.monotonic() - self._swept < SWEEP_S:
            return
        self._swept = time.monotonic()
        with contextlib.suppress(OSError):  # the disk is not there for the moment
            sweep(self._folder)
