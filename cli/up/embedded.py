"""The two embedded Redis servers as children of the supervisor: where they listen, how much memory they may take."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cli.up.child import ChildSpec, Tier
from cli.up.folder import DataFolder
from cli.up.redis_server import RedisProgram, RedisRole, command, machine_memory_mb, write_config
from services.settings import Settings

RUNTIME_PREFIX = "nf-"
LEDGER, INDEX = "ledger", "index"


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """One server: its role, its socket and its password."""

    role: RedisRole
    socket: Path
    password: str

    @property
    def url(self) -> str:
        """Its address as redis-py writes it."""
        from services.redis_clients import unix_url

        return unix_url(str(self.socket), self.password)

    def spec(self, program: RedisProgram, folder: DataFolder) -> ChildSpec:
        """The child to start; writes the server's configuration."""
        config = write_config(
            program, self.role, folder=folder.redis(self.role.name), socket=self.socket, password=self.password
        )
        return ChildSpec(
            name=f"redis-{self.role.name}",
            command=tuple(command(program, config)),
            tier=Tier.STORE,
            death_signal=signal.SIGTERM,
        )


def embedded_servers(settings: Settings, runtime: Path, password: str) -> tuple[EmbeddedServer, EmbeddedServer]:
    """Ledger and index, with memory limits that fit the machine unless the settings name others."""
    ledger_mb, index_mb = memory_limits_mb(machine_memory_mb(), settings)
    return (
        EmbeddedServer(RedisRole(LEDGER, "always", ledger_mb), runtime / f"{LEDGER}.sock", password),
        EmbeddedServer(RedisRole(INDEX, "everysec", index_mb), runtime / f"{INDEX}.sock", password),
    )


def memory_limits_mb(machine_mb: int, settings: Settings) -> tuple[int, int]:
    """Limits of ledger and index, MiB: an eighth and two fifths of the machine, within bounds.

    The rest is for two processes with a model (about 1 GiB each with MiniLM) and the page cache.
    """
    ledger = settings.ledger_maxmemory_mb or min(max(machine_mb // 8, 128), 2048)
    index = settings.index_maxmemory_mb or max(machine_mb * 2 // 5, 256)
    return ledger, index


def is_up(server: EmbeddedServer, timeout_s: float = 0.5) -> bool:
    """Whether the server has loaded its data and answers PING.

    Spoken by hand: importing redis-py takes longer (0.1 s) than a fresh server takes to start.
    """
    hello = f"AUTH {server.password}\r\nPING\r\n".encode("ascii")
    answer = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(server.socket))
        connection.sendall(hello)
        while answer.count(b"\r\n") < 2:
            received = connection.recv(4096)
            if not received:
                break
            answer += received
    return answer.endswith(b"+PONG\r\n")


def make_runtime_folder() -> Path:
    """A new private folder with a short path for the sockets (a socket's path may have 107 bytes)."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not (base and len(base) < 60 and os.access(base, os.W_OK)):
        base = ""
    return Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir=base or None))


def remove_runtime_folder(folder: Path) -> None:
    """Removes a runtime folder, also one that a crashed run left; anything that does not look like ours stays."""
    try:
        found = folder.lstat()
    except OSError:
        return
    ours = folder.name.startswith(RUNTIME_PREFIX) and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if ours and all(entry.suffix == ".sock" for entry in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
