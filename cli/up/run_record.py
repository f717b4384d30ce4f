"""Which instance runs on a data folder (``run.json``), and the lock that keeps a second one out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

from cli.up.embedded import remove_runtime_folder
from cli.up.folder import DataFolder, folder_trouble, write_atomically
from cli.up.proc import ProcessId, identify, is_running, signal_group
from services.errors import Conflict

PATIENCE_S = 12.0
_KILL_AFTER_S = 6.0


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child in ``run.json``. ``start_ticks`` makes the pid unmistakable."""

    name: str
    pid: int
    start_ticks: int
    log: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The running instance of a data folder, as ``run.json`` holds it. ``url`` is "" until the web server listens."""

    pid: int
    start_ticks: int
    started: str
    url: str
    runtime_dir: str
    children: tuple[ChildRecord, ...]

    @classmethod
    def of_this_process(cls, started: str, url: str, runtime: Path, children: tuple[ChildRecord, ...]) -> RunRecord:
        """The record of the supervisor that calls."""
        own = identify(os.getpid()) or ProcessId(os.getpid(), 0)
        return cls(own.pid, own.start_ticks, started, url, str(runtime), children)

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote it still runs."""
        return is_running(ProcessId(self.pid, self.start_ticks))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return asdict(self)


def read_run(path: Path) -> RunRecord | None:
    """The record in a ``run.json``, None when there is none or it cannot be read (a crash may leave anything)."""
    try:
        found = json.loads(path.read_text("utf-8"))
        children = tuple(ChildRecord(**child) for child in found.pop("children"))
        return RunRecord(**found, children=children)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_run(path: Path, record: RunRecord) -> None:
    """Writes a ``run.json``. A full disk must not end a running supervisor: the record is a help, not a promise."""
    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(record.as_json(), indent=1) + "\n", durable=False)


def try_lock(path: Path) -> int | None:
    """An open descriptor that holds the folder's lock, or None when someone else does.

    The lock belongs to the open file, so it outlives the supervisor in every child that inherits the descriptor:
    a second start cannot get in while one of them still writes.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def take_lock(folder: DataFolder, waiting: Callable[[], None]) -> int:
    """The folder's lock, after whatever a crashed run left has been cleared.

    When the recorded supervisor is dead, its children are just dying with it: they are waited for, then killed.

    Args:
        waiting: called once if there is something to wait for.

    Raises:
        Conflict: another supervisor runs on this folder.
    """
    began = time.monotonic()
    said = False
    while True:
        try:
            lock = try_lock(folder.lock_file)
        except OSError as error:
            raise folder_trouble(folder.root, error) from error
        record = read_run(folder.run_file)
        if lock is not None:
            _clear(folder, record)
            return lock
        waited = time.monotonic() - began
        if (record is not None and record.alive) or waited > PATIENCE_S:
            raise already_running(folder, record)
        if not said:
            said = True
            waiting()
        if record is not None and waited > _KILL_AFTER_S:
            end_leftovers(record.children)
        time.sleep(0.1)


def end_leftovers(children: Iterable[ChildRecord]) -> list[str]:
    """Kills the groups of recorded children that are still who they were; returns their names."""
    left = [child for child in children if is_running(ProcessId(child.pid, child.start_ticks))]
    for child in left:
        signal_group(child.pid, SIGKILL)
    return [child.name for child in left]


def already_running(folder: DataFolder, record: RunRecord | None) -> Conflict:
    """The message of a second start."""
    if record is not None and record.alive:
        where = f" at {record.url}" if record.url else ""
        stop = f"stop it with Ctrl-C in its terminal or `kill {record.pid}`"
        found = f"Nearfield already runs on {folder.root}{where} (pid {record.pid}): {stop}"
    else:
        found = f"another process holds the lock of {folder.root}: find it with `fuser {folder.lock_file}` and end it"
    return Conflict(
        f"{found}, or start this one on another folder with --data-dir and --port 0", code="already-running"
    )


def _clear(folder: DataFolder, record: RunRecord | None) -> None:
    """Removes what a run that did not end by itself left behind."""
    if record is not None:
        remove_runtime_folder(Path(record.runtime_dir))
        folder.run_file.unlink(missing_ok=True)
