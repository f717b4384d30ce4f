"""The web process as it runs: its port, its end, its streams, and what it says when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import RedisPair
from tests.processes import ProductProcess, wait_until

STOP_LIMIT_S = 5.0


def environment(pair: RedisPair, folder: Path, **more: str) -> dict[str, str]:
    return {
        "NEARFIELD_DATA_DIR": str(folder / "data"),
        "NEARFIELD_LEDGER_URL": pair.ledger.url,
        "NEARFIELD_INDEX_URL": pair.index.url,
        "NEARFIELD_BIND": "127.0.0.1:0",
        "NEARFIELD_MODEL": "hash",
        **more,
    }


class WebProcess:
    """``python -m web.main`` with a port of its own."""

    def __init__(self, pair: RedisPair, folder: Path) -> None:
        self.port_file = folder / "port"
        arguments = ["--port-file", str(self.port_file)]
        self.process = ProductProcess("web.main", arguments, environment(pair, folder), folder / "web.log")

    @property
    def port(self) -> int:
        return int(self.port_file.read_text())

    def start(self) -> None:
        self.process.start()
        wait_until(self.is_ready, "the web process to be ready")

    def is_ready(self) -> bool:
        assert self.process.process is not None
        assert self.process.process.poll() is None, self.process.tail()
        return self.port_file.exists() and b" 200 " in self.talk("GET /readyz").splitlines()[0]

    def open(self, request: str, body: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode() + b"\r\n" + body)
        return connection

    def talk(self, request: str, body: bytes = b"") -> bytes:
        with closing(self.open(request, body)) as connection:
            received = b""
            while part := connection.recv(65536):
                received += part
            return received

    def json(self, request: str, body: bytes = b"") -> dict[str, object]:
        found: dict[str, object] = json.loads(self.talk(request, body).partition(b"\r\n\r\n")[2])
        return found


@pytest.fixture
def web(redis_pair: RedisPair, tmp_path: Path) -> Iterator[WebProcess]:
    process = WebProcess(redis_pair, tmp_path)
    process.start()
    yield process
    process.process.kill()


def test_it_serves_stops_streams_and_ends_with_status_0(web: WebProcess) -> None:
    assert web.json("GET /livez") == {"status": "alive"}
    assert web.json("POST /api/v1/collections", b'{"name": "docs"}')["name"] == "docs"
    job_id = web.json("POST /api/v1/collections/docs/documents", b'{"text": "tea"}')["job_id"]
    with closing(web.open(f"GET /api/v1/jobs/{job_id}/events")) as stream:
        seen = b""
        while b"event: progress" not in seen:
            seen += stream.recv(65536)
        assert web.process.process is not None
        web.process.process.send_signal(signal.SIGTERM)
        while part := stream.recv(65536):
            seen += part
        assert seen.endswith(b"0\r\n\r\n")
        assert web.process.process.wait(60) == 0, web.process.tail()
    assert "Traceback" not in web.process.tail()


def test_sigint_ends_it_too(web: WebProcess) -> None:
    assert web.process.process is not None
    started = time.monotonic()
    web.process.process.send_signal(signal.SIGINT)
    assert web.process.process.wait(60) == 0
    print(f"stopped after {time.monotonic() - started:.2f} s (the limit is {STOP_LIMIT_S:.0f} s)")


def test_it_waits_for_stores_that_start_later(private_redis_pair: RedisPair, tmp_path: Path) -> None:
    pair = private_redis_pair
    pair.ledger.kill()
    pair.index.kill()
    process = WebProcess(pair, tmp_path)
    process.process.start()
    try:
        wait_until(process.port_file.exists, "the port file")
        assert process.json("GET /livez") == {"status": "alive"}
        assert process.json("GET /readyz")["status"] == "unavailable"
        assert b" 503 " in process.talk("GET /api/v1/collections").splitlines()[0]
        pair.ledger.start()
        pair.index.start()
        wait_until(process.is_ready, "the web process to be ready")
        assert process.json("GET /api/v1/jobs") == {"items": [], "next_cursor": None}
    finally:
        process.process.kill()


def test_refusals_over_a_real_connection(web: WebProcess) -> None:
    for request, status in (("GET /api/v1/x%ff", b"400"), ("TRACE /api/v1/jobs", b"405"), ("FOO /livez", b"405")):
        answer = web.talk(request)
        assert answer.split()[1] == status, answer
        assert b"application/problem+json" in answer


def run(pair: RedisPair, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "web.main"],
        env={**os.environ, **environment(pair, folder, **more)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_port_in_use_is_one_line_and_status_2(redis_pair: RedisPair, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(redis_pair, tmp_path, NEARFIELD_BIND=bind)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"nearfield web: cannot listen on {bind} (NEARFIELD_BIND): another program listens there; stop it, or choose "
        "another port (0 picks a free one)"
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEARFIELD_BIND", "8080", "NEARFIELD_BIND"),
        ("NEARFIELD_WEB_THREDS", "8", "unknown setting NEARFIELD_WEB_THREDS"),
        ("NEARFIELD_WEB_THREADS", "many", "NEARFIELD_WEB_THREADS"),
    ],
)
def test_a_bad_setting_is_named_and_status_2(
    redis_pair: RedisPair, tmp_path: Path, name: str, value: str, said: str
) -> None:
    ended = run(redis_pair, tmp_path, **{name: value})
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_stores_it_says_what_starts_them(redis_pair: RedisPair, tmp_path: Path) -> None:
    ended = run(redis_pair, tmp_path, NEARFIELD_LEDGER_URL="", NEARFIELD_INDEX_URL="")
    assert ended.returncode == 2
    assert "nearfield up" in ended.stderr
