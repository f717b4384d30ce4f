"""Append-only files: how long they were a second ago, how far they were synced, and cutting them there."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from pathlib import Path

from tests.conftest import RunningRedis

SAMPLE_S = 0.02
KEPT_S = 5.0


def log_of(server: RunningRedis) -> Path:
    """The file that a server appends to now: the newest of its incremental ones."""
    files = sorted((server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))
    return files[-1]


def cut(path: Path, size: int) -> int:
    """Cuts a file to ``size``; returns how many bytes went."""
    before = path.stat().st_size
    size = max(0, min(size, before))
    os.truncate(path, size)
    return before - size


class Sizes:
    """Remembers how long a server's log was at every moment of the last seconds."""

    def __init__(self, server: RunningRedis) -> None:
        self._server = server
        self._samples: deque[tuple[float, str, int]] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log sizes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def at(self, moment: float) -> int:
        """The length of the present log at ``moment`` (monotonic), or of the oldest sample there is of it."""
        name = log_of(self._server).name
        with self._lock:
            mine = [(when, size) for when, sample, size in self._samples if sample == name]
        before = [size for when, size in mine if when <= moment]
        return before[-1] if before else mine[0][1] if mine else 0

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            try:
                path = log_of(self._server)
                sample = (time.monotonic(), path.name, path.stat().st_size)
            except (OSError, IndexError):
                continue
            with self._lock:
                self._samples.append(sample)
                while self._samples and self._samples[0][0] < sample[0] - KEPT_S:
                    self._samples.popleft()


_CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<call>write|fdatasync|fsync)\(\d+<(?P<path>[^>]*)>.*\)\s+= (?P<result>-?\d+)")
_BEGUN = re.compile(r"^(?P<pid>\d+)\s+(?P<call>write|fdatasync|fsync)\(\d+<(?P<path>[^>]*)>.*<unfinished \.\.\.>")
_ENDED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<call>write|fdatasync|fsync) resumed>.*= (?P<result>-?\d+)")


class Synced:
    """How much of a server's log was synced, as strace saw it. The server must run under ``prefix``."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def prefix(self, strace: str) -> list[str]:
        """What to put before the server's command."""
        return [strace, "-f", "-y", "-s", "0", "-e", "trace=write,fdatasync,fsync", "-o", str(self._trace)]

    def begin(self) -> None:
        """Forgets the last run of the server."""
        self._trace.unlink(missing_ok=True)

    def bytes_synced(self, log: Path, before: int) -> int:
        """How much of the log was on the disk: ``before`` (at this run's start) and what was synced since."""
        written = synced = before
        begun: dict[tuple[str, str], tuple[str, int]] = {}
        for line in self._trace.read_text("utf-8", "replace").splitlines():
            if (found := _BEGUN.match(line)) is not None:
                begun[found["pid"], found["call"]] = (found["path"], written)
                continue
            ended = _ENDED.match(line)
            found = ended or _CALL.match(line)
            if found is None:
                continue
            at = written
            path = "" if ended else found["path"]
            if ended is not None:
                path, at = begun.pop((found["pid"], found["call"]), ("", written))
            if not path.startswith(str(log)) or int(found["result"]) < 0:
                continue
            if found["call"] == "write":
                written += int(found["result"])
            else:
                synced = max(synced, at)
        return synced
