"""The services of an instance for a command: of a running one, of given servers, or of embedded ones started for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cli.up import embedded
from cli.up.damage import damaged_store, speaks_of_damage
from cli.up.embedded import EmbeddedServer
from cli.up.folder import DataFolder
from cli.up.redis_server import find_redis
from cli.up.run_record import read_run, take_lock
from services.errors import Conflict, NearfieldError
from services.settings import Settings

if TYPE_CHECKING:
    from services.wiring import Services

START_LIMIT_S = 300.0
STOP_LIMIT_S = 10.0
TAIL_BYTES = 4000


class How(StrEnum):
    """Whose servers they are: GIVEN by the settings, of a RUNNING ``up``, or started OFFLINE for this command."""

    GIVEN = "given"
    RUNNING = "running"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Attached:
    """Services at work, and where they came from."""

    services: Services
    how: How
    folder: DataFolder


class Silent:
    """A doorbell nobody hears: the keeper rings for whatever waits."""

    def ring(self, collection_id: str) -> None:
        """Does nothing."""

    def purge(self, collection_id: str) -> None:
        """Does nothing."""

    def train(self, training_id: str) -> None:
        """Does nothing."""


@contextmanager
def attached(settings: Settings, *, servers: Sequence[str] = (embedded.LEDGER, embedded.INDEX)) -> Iterator[Attached]:
    """Services of the instance on ``settings.data_dir``; servers that had to be started are stopped at the end.

    Args:
        servers: which ones to start when none run.

    Raises:
        Conflict: the folder is locked, and no instance answers for it.
        NearfieldError: there is no data folder (code "no-data"), or a server does not start.
    """
    folder = DataFolder(settings.data_dir.expanduser().absolute())
    if settings.ledger_url and settings.index_url:
        yield Attached(build(settings, folder, settings.ledger_url, settings.index_url), How.GIVEN, folder)
        return
    if not (folder.root / "VERSION").exists():
        raise NearfieldError(
            f"{folder.root} is no data folder of Nearfield; name the right one with --data-dir", code="no-data"
        )
    record = read_run(folder.run_file)
    if record is not None and record.alive:
        ledger, index = embedded.embedded_servers(settings, Path(record.runtime_dir), folder.password())
        yield Attached(build(settings, folder, ledger.url, index.url), How.RUNNING, folder)
        return
    with locked(folder), started(settings, folder, servers) as (ledger, index):
        yield Attached(build(settings, folder, ledger.url, index.url), How.OFFLINE, folder)


@contextmanager
def locked(folder: DataFolder) -> Iterator[None]:
    """Holds the folder's lock, so that no instance starts meanwhile.

    Raises:
        Conflict: one runs.
    """
    folder.prepare()
    lock = take_lock(folder, lambda: None)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def started(
    settings: Settings, folder: DataFolder, names: Sequence[str] = (embedded.LEDGER, embedded.INDEX)
) -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    """Runs the embedded servers for as long as the block lasts. The caller holds the folder's lock.

    Raises:
        NearfieldError: one does not start; code "ledger-damaged" or "index-damaged" when its files are.
    """
    runtime = embedded.make_runtime_folder()
    servers = embedded.embedded_servers(settings, runtime, folder.password())
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for server in servers:
            if server.role.name in names:
                processes.append(_start(server, folder))
        yield servers
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        embedded.remove_runtime_folder(runtime)


def move_aside(folder: DataFolder, role: str) -> Path | None:
    """Renames the data of an embedded server out of the way; where it lies now, None when there was none."""
    place = folder.redis(role)
    if not place.exists() or not any(place.iterdir()):
        return None
    for number in range(1, 1000):
        target = place.with_name(f"{role}.damaged-{number}")
        if not target.exists():
            place.rename(target)
            return target
    raise Conflict(f"{place.parent} holds a thousand damaged copies; remove some", code="too-many-copies")


def _start(server: EmbeddedServer, folder: DataFolder) -> subprocess.Popen[bytes]:
    log_path = folder.logs / f"offline-{server.role.name}.log"
    spec = server.spec(find_redis(), folder)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            spec.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + START_LIMIT_S
    while not embedded.is_up(server):
        if process.poll() is not None:
            tail = log_path.read_text("utf-8", "replace")[-TAIL_BYTES:]
            if speaks_of_damage(tail):
                raise damaged_store(server.role.name, folder, tail)
            raise NearfieldError(
                f"the embedded {server.role.name} Redis does not start; its log is {log_path}", code="start-failed"
            )
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise NearfieldError(
                f"the embedded {server.role.name} Redis is not ready after {START_LIMIT_S:.0f} s; see {log_path}",
                code="start-failed",
            )
        time.sleep(0.02)
    return process


def build(settings: Settings, folder: DataFolder, ledger_url: str, index_url: str) -> Services:
    """Services on the given servers with the folder's data."""
    from services.redis_clients import BULK
    from services.wiring import build_services

    values = {"data_dir": folder.root, "ledger_url": ledger_url, "index_url": index_url}
    return build_services(settings.model_copy(update=values), doorbell=Silent(), profile=BULK)
