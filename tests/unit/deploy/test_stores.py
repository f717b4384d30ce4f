"""The two Redis servers of docker-compose.yml keep what the embedded ones keep."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.up import redis_server
from services.redis_clients import BULK, connect, unix_url
from tests.conftest import RunningRedis
from tests.unit.deploy.parts import STORES, compose, store_config

APPEND_FSYNC = {"ledger": "always", "index": "everysec"}
# What depends on where the server runs: the place, the door and the memory.
OF_THE_PLACE = {
    "port",
    "unixsocket",
    "unixsocketperm",
    "protected-mode",
    "daemonize",
    "dir",
    "logfile",
    "loadmodule",
} | {
    "requirepass",
    "maxmemory",
    "databases",
    "maxclients",
}


def embedded_config(store: str, folder: Path) -> dict[str, str]:
    """The configuration that ``nearfield up`` writes for the same role on a Redis 8."""
    program = redis_server.RedisProgram(Path("redis-server"), ())
    role = redis_server.RedisRole(store, APPEND_FSYNC[store], 64)
    path = redis_server.write_config(program, role, folder=folder, socket=Path("/tmp/s"), password="p")
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_configured_like_the_embedded_one(store: str, tmp_path: Path) -> None:
    described = dict(store_config(store))
    embedded = embedded_config(store, tmp_path)
    assert {name: value for name, value in described.items() if name not in OF_THE_PLACE} == {
        name: value for name, value in embedded.items() if name not in OF_THE_PLACE
    }
    assert described["appendfsync"] == APPEND_FSYNC[store]
    assert described["maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize("store", STORES)
def test_a_store_has_a_limit_and_a_password(store: str) -> None:
    assert dict(store_config(store))["maxmemory"] not in ("", "0")
    assert dict(store_config(store, LEDGER_MAXMEMORY="1gb", INDEX_MAXMEMORY="1gb"))["maxmemory"] == "1gb"
    assert dict(store_config(store))["requirepass"].isalnum()  # it stands in URLs as it is
    assert dict(store_config(store, REDIS_PASSWORD="S3cret"))["requirepass"] == "S3cret"
    assert compose(REDIS_PASSWORD="S3cret")["services"][store]["environment"] == {"REDISCLI_AUTH": "S3cret"}


@pytest.mark.parametrize("store", STORES)
def test_a_store_is_a_redis_with_the_query_engine(store: str) -> None:
    """The official image loads its modules when the first word is redis-server, and the password is in no command."""
    service = compose()["services"][store]
    name, _, version = service["image"].partition(":")
    assert name == "redis"
    assert int(version.split(".")[0]) >= redis_server.MIN_REDIS_ON_PATH
    assert service["command"] == ["redis-server", service["configs"][0]["target"]]
    assert service["configs"][0]["source"] == store


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because the path of a socket must be."""
    made = Path(tempfile.mkdtemp(prefix="nfd-"))
    yield made
    shutil.rmtree(made)


class DescribedRedis(RunningRedis):
    """A real server with a store's own configuration, as far as the embedded version knows it."""

    def start(self) -> None:
        """Starts the embedded program with the lines of docker-compose.yml."""
        program = redis_server.find_redis()
        self.folder.mkdir(exist_ok=True)
        lines = [f"{name} {value}" for name, value in store_config(self.role.name) if not name.startswith("search-")]
        lines = [line for line in lines if not line.startswith("dir ")]
        lines += [f"dir {self.folder}", "port 0", f"unixsocket {self.socket}"]
        lines += [f"loadmodule {module}" for module in program.modules]
        config = self.folder / "redis.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program.server, config], stdout=log, stderr=log, start_new_session=True)
        self.wait_ready()


@pytest.mark.parametrize("store", STORES)
def test_a_real_server_takes_the_configuration_and_passes_its_health_check(store: str, folder: Path) -> None:
    role = redis_server.RedisRole(store, APPEND_FSYNC[store], 64)
    password = dict(store_config(store))["requirepass"]
    server = DescribedRedis(role, folder / store, folder / "s", password)
    server.start()
    try:
        client = connect(unix_url(str(server.socket), password), BULK)
        effective = client.config_get("*")
        client.close()
        assert effective["appendonly"] == "yes"
        assert effective["appendfsync"] == APPEND_FSYNC[store]
        assert effective["maxmemory-policy"] == "noeviction"
        assert int(effective["maxmemory"]) >= 256 * 1024 * 1024
        assert effective["save"] == ""
        assert health(store, server, password) == 0
        assert health(store, server, "wrong") != 0
    finally:
        server.kill()
    assert health(store, server, password) != 0


def health(store: str, server: RunningRedis, password: str) -> int:
    """The exit status of the store's health check, run against a server here."""
    kind, program, *arguments = compose()["services"][store]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "redis-cli")
    shipped = redis_server.find_redis().server.parent / program
    done = subprocess.run(
        [shipped, "-s", server.socket, *arguments],
        env={**os.environ, "REDISCLI_AUTH": password},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode
