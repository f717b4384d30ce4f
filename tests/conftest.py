"""Real parts for tests: every xdist worker has its own pair of Redis servers on unix sockets."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cli.up import redis_server
from services.redis_clients import BULK, Client, connect, unix_url

os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.plugins.skips", "tests.plugins.case_names"]

_SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW_MACHINE)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@dataclass
class RunningRedis:
    """A redis-server of the tests' own: ``kill`` and ``start`` keep its data, as a crash would."""

    role: redis_server.RedisRole
    folder: Path
    socket: Path
    password: str
    process: subprocess.Popen[bytes] | None = None
    prefix: Sequence[str] = ()
    """Put before the server's command, such as a tracer."""
    options: Sequence[str] = ()
    """Put after it, such as ``--enable-debug-command yes``."""

    @property
    def url(self) -> str:
        return unix_url(str(self.socket), self.password)

    def start(self) -> None:
        program = redis_server.find_redis()
        config = redis_server.write_config(
            program, self.role, folder=self.folder, socket=self.socket, password=self.password
        )
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*self.prefix, *redis_server.command(program, config), *self.options],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.wait_ready()

    def wait_ready(self, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while True:
            client = connect(self.url, BULK)
            try:
                if client.ping():
                    return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            finally:
                client.close()

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)
            self.process.wait(30)
        self.process = None


@dataclass
class RedisPair:
    """The two servers the product needs."""

    ledger: RunningRedis
    index: RunningRedis

    def flush(self) -> None:
        for server in (self.ledger, self.index):
            client = connect(server.url, BULK)
            client.flushall()
            client.close()


def make_redis_pair(folder: Path) -> RedisPair:
    """Starts a ledger (fsync always) and an index (fsync every second) under ``folder``; the path must be short."""
    pair = RedisPair(
        *(
            RunningRedis(
                redis_server.RedisRole(name, fsync, 1024), folder / name, folder / f"{name}.sock", secrets.token_hex(8)
            )
            for name, fsync in (("ledger", "always"), ("index", "everysec"))
        )
    )
    pair.ledger.start()
    pair.index.start()
    return pair


@pytest.fixture(scope="session")
def _session_pair() -> Iterator[RedisPair]:
    folder = Path(tempfile.mkdtemp(prefix="nft-"))
    pair = make_redis_pair(folder)
    yield pair
    pair.ledger.kill()
    pair.index.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_pair(_session_pair: RedisPair) -> RedisPair:
    """The worker's pair of servers, empty."""
    _session_pair.flush()
    return _session_pair


@pytest.fixture
def ledger_client(redis_pair: RedisPair) -> Iterator[Client]:
    """A client of the empty ledger server."""
    client = connect(redis_pair.ledger.url, BULK)
    yield client
    client.close()


@pytest.fixture
def index_client(redis_pair: RedisPair) -> Iterator[Client]:
    """A client of the empty index server."""
    client = connect(redis_pair.index.url, BULK)
    yield client
    client.close()


@pytest.fixture
def private_redis_pair() -> Iterator[RedisPair]:
    """A pair of servers of the test's own, to be killed and restarted at will."""
    folder = Path(tempfile.mkdtemp(prefix="nft-"))
    pair = make_redis_pair(folder)
    yield pair
    pair.ledger.kill()
    pair.index.kill()
    shutil.rmtree(folder, ignore_errors=True)
