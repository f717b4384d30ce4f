"""A sandbox with readers that do harm, and a look at what is left of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.errors import ExtractionFailed
from services.ingest.sandbox.limits import MIB, SandboxLimits
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.values import Extracted
from tests.poison import media_type, setting

SHORT = SandboxLimits(memory_bytes=512 * MIB, cpu_s=2, wall_s=5.0, silence_s=2.0, output_bytes=MIB)


@contextmanager
def sandbox(folder: Path, **limits: Any) -> Iterator[Sandbox]:
    """A sandbox with short limits and all kinds of poison."""
    made = Sandbox(folder, replace(SHORT, **limits), setting())
    try:
        yield made
    finally:
        made.close()


def read(sandbox: Sandbox, kind: str, body: bytes = b"words", max_text_bytes: int = 1 << 30) -> Extracted:
    return sandbox.extract(media_type(kind), body, name="a.txt", max_text_bytes=max_text_bytes, tick=lambda: None)


def failure(sandbox: Sandbox, kind: str, body: bytes = b"words") -> ExtractionFailed:
    """How reading it fails; fails itself when it does not."""
    try:
        found = read(sandbox, kind, body)
    except ExtractionFailed as error:
        return error
    raise AssertionError(f"it was read: {found.text[:200]!r}")


def server_pid(sandbox: Sandbox) -> int:
    return sandbox.server_pid


def descendants(pid: int) -> list[int]:
    """Every living process that comes from ``pid``."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[0] != "Z":
                parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def lives(pid: int) -> bool:
    """Whether a process is there and no corpse."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
