"""The HTTP server with raw sockets: what it refuses by itself has our shape, and stopping ends everything in time."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import flask
import pytest

from services.errors import SettingsError
from services.settings import Settings
from web import errors, paths, security
from web.server import Server, bind_socket, write_port_file

LIMIT_S = 30.0
MAX_BODY = 100_000


class Running:
    """A server in a thread, over an application with one echo and one stream."""

    def __init__(self) -> None:
        self.settings = Settings(bind="127.0.0.1:0", max_body_bytes=MAX_BODY, web_threads=4)
        self.stopping = threading.Event()
        self.requests: list[str] = []
        listener = bind_socket(self.settings)
        self.port: int = listener.getsockname()[1]
        self.server = Server(self.app(), self.settings, listener)
        self.thread = threading.Thread(target=self.server.run, args=(self.stopping.set,))
        self.thread.start()

    def app(self) -> flask.Flask:
        app = flask.Flask("server", static_folder=None)
        security.register(app, self.settings)
        paths.register(app)
        errors.register(app)

        @app.route("/api/v1/echo", methods=["GET", "POST"])
        def echo() -> flask.Response:
            self.requests.append(flask.request.method)
            return flask.jsonify(length=len(flask.request.get_data()))

        @app.get("/api/v1/id/<docid:name>")
        def name(name: str) -> flask.Response:
            return flask.jsonify(name=name)

        @app.get("/api/v1/stream")
        def stream() -> flask.Response:
            def events() -> Iterator[bytes]:
                yield b": first\n\n"
                self.stopping.wait(LIMIT_S)

            return flask.Response(events(), content_type="text/event-stream")

        return app

    def stop(self) -> float:
        started = time.monotonic()
        self.server.stop()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()
        return time.monotonic() - started

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)

    def talk(self, data: bytes) -> bytes:
        """Sends raw bytes and reads until the server closes."""
        with closing(self.connect()) as connection:
            connection.sendall(data)
            received = b""
            while part := connection.recv(65536):
                received += part
            return received


@pytest.fixture
def running() -> Iterator[Running]:
    server = Running()
    yield server
    if server.thread.is_alive():
        server.stop()


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"Content-Security-Policy" in head
    assert re.search(rb"X-Request-Id: \S+", head)
    found: dict[str, object] = json.loads(body)
    assert {"type", "title", "status", "detail", "code", "request_id", "retryable"} <= set(found)
    return found


HOST = b"Host: 127.0.0.1\r\n"
UNREADABLE = [
    ("no version", b"GET\r\n\r\n", 400),
    ("bare CR in a header", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
    ("blank before the colon", b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", 400),
    ("negative length", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
    ("length of words", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n\r\n", 400),
    ("length twice", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("length and chunks", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: x\r\n\r\n", 501),
    ("bad chunk size", b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ("64 kB address", b"GET /?q=" + b"a" * 66_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
    ("1,000 headers", b"GET / HTTP/1.1\r\n" + HOST + b"X-Header-Name: some value here\r\n" * 3000 + b"\r\n", 431),
    ("one header of 1 MB", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
    ("declared too long", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 999999999\r\n\r\n", 413),
]


@pytest.mark.parametrize(("data", "status"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_what_cannot_be_read_is_answered_with_a_problem(running: Running, data: bytes, status: int) -> None:
    answer = running.talk(data)
    assert answer.startswith(f"HTTP/1.1 {status}".encode()) or answer.startswith(f"HTTP/1.0 {status}".encode())
    found = problem(answer)
    assert found["status"] == status
    assert len(str(found["detail"])) > 20


def test_a_client_that_sends_on_still_reads_the_refusal(running: Running) -> None:
    with closing(running.connect()) as connection:
        connection.sendall(b"POST /api/v1/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 20000000\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x" * 1_000_000)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert problem(received)["code"] == "too-large"
    assert running.requests == []


def test_an_undeclared_length_is_cut_off_at_the_limit(running: Running) -> None:
    chunk = b"%x\r\n" % 50_000 + b"x" * 50_000 + b"\r\n"
    answer = running.talk(b"POST /api/v1/echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3)
    assert problem(answer)["code"] == "too-large"


def test_a_body_of_exactly_the_limit_is_read(running: Running) -> None:
    head = b"POST /api/v1/echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % MAX_BODY
    assert json.loads(running.talk(head + b"x" * MAX_BODY).partition(b"\r\n\r\n")[2]) == {"length": MAX_BODY}


def test_escapes_in_paths_survive_the_real_server(running: Running) -> None:
    for path, name in ((b"a%2Ftext", "a/text"), (b"%2Fetc%2Fpasswd", "/etc/passwd"), (b"%252F", "%2F")):
        answer = running.talk(b"GET /api/v1/id/" + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"name": name}
    answer = running.talk(b"GET /api/v1/id/%ff HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert problem(answer)["code"] == "bad-address"


def test_slow_clients_hold_no_threads(running: Running) -> None:
    slow = [running.connect() for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(b"POST /api/v1/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nab")
        answer = running.talk(b"GET /api/v1/echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        assert b" 200 " in answer.splitlines()[0]
    finally:
        for connection in slow:
            connection.close()


def test_stopping_ends_streams_and_refuses_new_connections(running: Running) -> None:
    with closing(running.connect()) as connection:
        connection.sendall(b"GET /api/v1/stream HTTP/1.1\r\n" + HOST + b"\r\n")
        received = b""
        while b": first" not in received:
            received += connection.recv(65536)
        assert running.stop() < LIMIT_S / 2
        while part := connection.recv(65536):
            received += part
    assert received.endswith(b"0\r\n\r\n")
    with pytest.raises(OSError, match="refused"):
        running.connect()


def test_a_port_in_use_is_a_clear_message(running: Running) -> None:
    with pytest.raises(SettingsError, match="another program listens there"):
        bind_socket(Settings(bind=f"127.0.0.1:{running.port}"))


@pytest.mark.parametrize("bind", ["192.0.2.1:0", "no-such-host.invalid:80"])
def test_an_address_of_another_machine_is_a_clear_message(bind: str) -> None:
    with pytest.raises(SettingsError, match="NEARFIELD_BIND"):
        bind_socket(Settings(bind=bind))


def test_the_port_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "port"
    write_port_file(path, 8080)
    write_port_file(path, 80)
    assert path.read_text() == "80\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["port"]
