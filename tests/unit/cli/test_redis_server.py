from __future__ import annotations

import os
import secrets
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.up import embedded, redis_server
from cli.up.embedded import EmbeddedServer, is_up, make_runtime_folder, memory_limits_mb, remove_runtime_folder
from cli.up.folder import DataFolder
from cli.up.redis_server import RedisProgram, RedisRole, find_redis, machine_memory_mb, quoted, write_config
from services.errors import SettingsError
from services.redis_clients import INTERACTIVE, connect, unix_url
from services.settings import Settings
from tests.processes import wait_until


@pytest.fixture
def runtime() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nf-"))
    yield folder
    remove_runtime_folder(folder)


def test_a_server_starts_from_a_folder_with_an_awkward_name(tmp_path: Path, runtime: Path) -> None:
    folder = DataFolder(tmp_path / 'wörk "quoted" \\ $HOME # it')
    server = EmbeddedServer(RedisRole("index", "everysec", 300), runtime / "index.sock", secrets.token_urlsafe(16))
    spec = server.spec(find_redis(), folder)
    assert not is_up(server)
    process = subprocess.Popen(spec.command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: is_up(server), "the server answers")
        client = connect(server.url, INTERACTIVE)
        try:
            assert client.config_get("maxmemory")["maxmemory"] == str(300 * 1024 * 1024)
            assert client.config_get("dir")["dir"] == str(folder.redis("index"))
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            assert client.config_get("port")["port"] == "0"
            assert dict(client.execute_command("FT.CONFIG", "GET", "ON_TIMEOUT"))[b"ON_TIMEOUT"] == b"fail"
        finally:
            client.close()
        other = EmbeddedServer(server.role, server.socket, "a wrong password")
        assert not is_up(other)
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
    assert not is_up(server)


def test_the_configuration_is_private_and_the_command_line_holds_no_secret(tmp_path: Path) -> None:
    program = RedisProgram(Path("/bin/redis-server"), ())
    config = write_config(
        program, RedisRole("ledger", "always", 64), folder=tmp_path, socket=Path("/tmp/x.sock"), password="s3cret"
    )
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    text = config.read_text()
    assert "requirepass s3cret" in text
    assert "appendfsync always" in text
    assert "search-timeout 1000" in text
    assert "s3cret" not in " ".join(redis_server.command(program, config))


def test_a_socket_path_the_kernel_would_refuse_is_told(tmp_path: Path) -> None:
    socket = tmp_path / ("x" * 120)
    with pytest.raises(SettingsError, match="107 bytes"):
        write_config(
            RedisProgram(Path("/r"), ()), RedisRole("a", "no", 1), folder=tmp_path, socket=socket, password="p"
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [("/a b", '"/a b"'), ('/a"b', '"/a\\"b"'), ("/a\\b", '"/a\\\\b"'), ("/a\nb", '"/a\\nb"')],
)
def test_paths_are_one_word_of_the_configuration(value: str, expected: str) -> None:
    assert quoted(value) == expected


def test_no_redis_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_packaged_redis", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SettingsError, match="make setup") as caught:
        find_redis()
    assert caught.value.code == "no-redis"


def test_a_redis_8_on_the_path_serves_with_the_modules_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "_packaged_redis", lambda: None)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "redis-server"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program.write_text("#!/bin/sh\necho 'Redis server v=7.2.4 sha=0'\n")
    program.chmod(0o755)
    with pytest.raises(SettingsError):
        find_redis()
    program.write_text("#!/bin/sh\necho 'Redis server v=8.2.1 sha=0'\n")
    assert find_redis() == RedisProgram(program, ())
    modules = tmp_path / "lib" / "redis" / "modules"
    modules.mkdir(parents=True)
    (modules / "redisearch.so").touch()
    assert find_redis().modules == (quoted(modules / "redisearch.so"),)


def test_memory_is_what_the_container_allows(tmp_path: Path) -> None:
    whole = machine_memory_mb(tmp_path / "missing")
    assert whole > 100
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert machine_memory_mb(limit) == whole
    limit.write_text(f"{64 * 1024 * 1024}\n")
    assert machine_memory_mb(limit) == 64


def test_memory_limits_fit_the_machine_unless_they_are_set(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert memory_limits_mb(512, settings) == (128, 256)
    assert memory_limits_mb(16_000, settings) == (2000, 6400)
    assert memory_limits_mb(256_000, settings) == (2048, 102_400)
    chosen = Settings(data_dir=tmp_path, ledger_maxmemory_mb=77, index_maxmemory_mb=99)
    assert memory_limits_mb(16_000, chosen) == (77, 99)


def test_the_runtime_folder_is_private_and_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 30)))
    folder = make_runtime_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(str(folder / "ledger.sock")) < 100
    (folder / "ledger.sock").touch()
    remove_runtime_folder(folder)
    assert not folder.exists()
    remove_runtime_folder(folder)


def test_a_socket_that_hangs_is_not_up(runtime: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(runtime / "index.sock"))
        silent.listen(1)
        server = EmbeddedServer(RedisRole("index", "no", 1), runtime / "index.sock", "x")
        began = time.monotonic()
        assert not embedded.is_up(server, timeout_s=0.1)
        assert time.monotonic() > began
    assert unix_url(str(server.socket), "x") == server.url
