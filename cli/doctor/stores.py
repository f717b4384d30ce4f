"""The files of the embedded servers: can they be read again? Looked at only while nothing writes them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, failed, ok
from cli.up.damage import UNDER_WAY, remedy
from cli.up.embedded import INDEX, LEDGER
from cli.up.folder import DataFolder
from cli.up.redis_server import find_redis
from cli.up.run_record import read_run
from services.errors import NearfieldError

CHECK_LIMIT_S = 60.0
_CUT_SHORT = ("Expected to read", "Reached EOF")
"""What redis-check-aof says of a log that ends in the middle of a command. Redis loads such a log all the same."""


def stored_data(folder: DataFolder) -> Iterator[Finding]:
    """Whether ledger and index of a stopped instance can be read; nothing while it runs."""
    record = read_run(folder.run_file)
    if record is not None and record.alive:
        return
    for role in (LEDGER, INDEX):
        manifest = folder.redis(role) / "appendonlydir" / "appendonly.aof.manifest"
        if manifest.exists():
            yield _look(role, folder, manifest)


def _look(role: str, folder: DataFolder, manifest: Path) -> Finding:
    name = f"{role} files"
    if (folder.redis(role) / UNDER_WAY).exists():
        return failed(name, "they are only half made", f"run `{remedy(role, folder)}` to its end")
    try:
        program = find_redis().server.with_name("redis-check-aof")
        done = subprocess.run(
            [program, manifest], capture_output=True, text=True, errors="replace", timeout=CHECK_LIMIT_S, check=False
        )
    except (OSError, NearfieldError, subprocess.TimeoutExpired):
        return ok(name, "not read through (redis-check-aof is not there, or takes long)")
    if done.returncode == 0:
        return ok(name, "can be read")
    last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no output"]
    if any(words in done.stdout + done.stderr for words in _CUT_SHORT):
        return ok(name, "can be read; the last command is cut short, as after a power loss")
    return failed(name, f"they are damaged: {last[0][:120]}", f"run `{remedy(role, folder)}`")
