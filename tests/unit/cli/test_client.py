"""The client against a real HTTP server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.api_errors import ApiProblem, Unreachable
from cli.client import ApiClient
from cli.files import FoundFile

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}


def json_answer(value: Any, status: int = 200) -> Answer:
    return status, JSON, json.dumps(value).encode()


class Server:
    """Answers in turn with what it was given; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else self.read_chunks()
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def read_chunks(self) -> bytes:
                body = b""
                while "chunked" in self.headers.get("Transfer-Encoding", ""):
                    size = int(self.rfile.readline(), 16)
                    body += self.rfile.read(size)
                    self.rfile.readline()
                    if size == 0:
                        break
                return body

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *arguments: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def stop(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.stop()


Open = Callable[..., ApiClient]


@pytest.fixture
def connect(server: Server) -> Iterator[Open]:
    clients: list[ApiClient] = []

    def opened(patience_s: float = 0.0) -> ApiClient:
        clients.append(ApiClient(server.url, patience_s=patience_s))
        return clients[-1]

    yield opened
    for client in clients:
        client.__exit__(None, None, None)


def test_a_problem_is_told_with_code_pointer_and_details(server: Server, connect: Open) -> None:
    problem = {"detail": "no such field", "code": "unknown-field", "pointer": "/filter", "errors": [{"code": "x"}]}
    server.answers = [(422, PROBLEM, json.dumps(problem).encode())]
    with pytest.raises(ApiProblem) as caught:
        connect().call("GET", "/collections")
    assert (caught.value.status, caught.value.code, caught.value.pointer) == (422, "unknown-field", "/filter")
    assert caught.value.message == "no such field"
    assert caught.value.details == [{"code": "x"}]


def test_something_else_at_the_url_is_told(server: Server, connect: Open) -> None:
    server.answers = [(404, {"Content-Type": "text/html"}, b"<h1>nginx</h1>")]
    with pytest.raises(ApiProblem, match="is it a Nearfield"):
        connect().call("GET", "/jobs")


def test_busy_answers_are_asked_again_when_that_is_safe(server: Server, connect: Open) -> None:
    busy = (503, {**PROBLEM, "Retry-After": "0"}, b'{"detail": "busy", "code": "overloaded"}')
    client = connect(patience_s=60.0)
    server.answers = [busy, json_answer({"items": [1]})]
    assert client.call("GET", "/jobs") == {"items": [1]}
    server.answers = [busy, json_answer({"hits": []})]
    assert client.search("c", "q", limit=3) == {"hits": []}
    server.answers = [busy, json_answer({"job_id": "j"}, 202)]
    assert client.add_documents("c", [{"text": "x"}], "key-1") == {"job_id": "j"}
    assert [headers.get("Idempotency-Key") for _, _, headers, _ in server.asked[-2:]] == ["key-1", "key-1"]


def test_a_write_without_a_key_is_not_repeated(server: Server, connect: Open) -> None:
    server.answers = [(503, PROBLEM, b'{"detail": "busy", "code": "overloaded"}')]
    with pytest.raises(ApiProblem, match="busy"):
        connect(patience_s=60.0).create_collection({"name": "c"})
    assert len(server.asked) == 1


def test_patience_ends(server: Server, connect: Open) -> None:
    server.answers = [(503, PROBLEM, b'{"detail": "busy", "code": "overloaded"}')]
    with pytest.raises(ApiProblem) as caught:
        connect(patience_s=0.0).call("GET", "/jobs")
    assert caught.value.code == "overloaded"


def test_nobody_there_names_the_url() -> None:
    with ApiClient("http://127.0.0.1:9/") as client, pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9 "):
        client.call("GET", "/jobs")


def test_a_proxy_of_the_environment_is_not_asked(
    server: Server, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.answers = [json_answer({"status": "alive"})]
    assert connect().call("GET", "/livez") == {"status": "alive"}
    assert server.asked[0][1] == "/livez"


def test_names_are_one_path_segment(server: Server, connect: Open) -> None:
    server.answers = [json_answer({"deleted": "x"})]
    connect().delete_collection("a/b c?d#e")
    assert server.asked[0][:2] == ("DELETE", "/api/v1/collections/a%2Fb%20c%3Fd%23e")


def test_a_missing_collection_is_none_and_other_errors_are_errors(server: Server, connect: Open) -> None:
    client = connect()
    server.answers = [(404, PROBLEM, b'{"code": "unknown-collection"}')]
    assert client.collection("c") is None
    server.answers = [(500, PROBLEM, b'{"code": "internal"}')]
    with pytest.raises(ApiProblem):
        client.collection("c")


def test_result_lines_end_at_line_feeds_only(server: Server, connect: Open) -> None:
    lines = [{"line": 1, "id": "a\u2028b\x85"}, {"done": True}]
    content = b"\n".join(json.dumps(line, ensure_ascii=False).encode() for line in lines)
    server.answers = [(200, {"Content-Type": "application/x-ndjson"}, content)]
    assert list(connect().add_ndjson("c", [b'{"text": "x"}\n', b'{"text": "y"}\n'])) == lines
    assert server.asked[0][3] == b'{"text": "x"}\n{"text": "y"}\n'
    assert server.asked[0][2]["Content-Type"] == "application/x-ndjson"


def test_files_travel_with_their_relative_paths(server: Server, connect: Open, tmp_path: Path) -> None:
    server.answers = [json_answer({"job_id": "j", "documents": []}, 202)]
    one, two = tmp_path / "1", tmp_path / "2"
    one.write_bytes(b"text")
    two.write_bytes(b"more")
    connect().add_files("c", [FoundFile(one, "notes/ä b.md", 4), FoundFile(two, "notes/c.md", 4, "text/x-odd")], "k")
    body = server.asked[0][3]
    assert 'filename="notes/ä b.md"'.encode() in body
    assert body.count(b'name="file"') == 2
    assert body.count(b"Content-Type: text/markdown") == 1
    assert body.count(b"Content-Type: text/x-odd") == 1
    assert b"\r\n\r\ntext\r\n" in body


def test_a_repeated_upload_sends_its_files_from_their_beginning(server: Server, connect: Open, tmp_path: Path) -> None:
    server.answers = [(503, PROBLEM, b'{"code": "busy"}'), json_answer({"job_id": "j", "documents": []}, 202)]
    file = tmp_path / "big.txt"
    file.write_bytes(b"0123456789" * 30_000)  # more than one portion of httpx2, 64 kB
    connect(patience_s=5).add_files("c", [FoundFile(file, "big.txt", 300_000)], "k")
    assert [asked[3].count(b"0123456789") for asked in server.asked] == [30_000, 30_000]


def test_a_file_that_cannot_be_opened_is_named(connect: Open, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone") as caught:
        connect().add_files("c", [FoundFile(tmp_path / "gone", "gone", 1)], "k")
    assert caught.value.filename == str(tmp_path / "gone")


def test_not_ready_is_an_answer(server: Server, connect: Open) -> None:
    starting = {"status": "starting", "checks": {"model": {"ok": False, "detail": "loading"}}}
    server.answers = [json_answer(starting, 503)]
    assert connect().readiness() == starting
    server.answers = [(503, PROBLEM, b'{"code": "unavailable"}')]
    with pytest.raises(ApiProblem):
        connect().readiness()


def test_jobs_are_waited_for_until_the_last_is_finished(server: Server, connect: Open) -> None:
    def job(name: str, finished: bool) -> Answer:
        return json_answer({"id": name, "finished_at": "now" if finished else None})

    server.answers = [job("a", True), job("b", False), job("b", True)]
    told: list[int] = []
    jobs = connect().wait_for_jobs(["a", "b"], lambda jobs: told.append(len(jobs)))
    assert [found["id"] for found in jobs] == ["a", "b"]
    assert all(found["finished_at"] for found in jobs)
    assert len(told) == 2
    assert connect().wait_for_jobs([], lambda _jobs: None) == []
