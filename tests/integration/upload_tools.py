"""Uploads as bytes on a socket: of any size without being in memory, cut short, lying about their length."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_S = 120.0
BLOCK = b"words about tea and gardens, one line after the other\n" * 1200
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"
MULTIPART = "multipart/form-data; boundary=b"
NDJSON = "application/x-ndjson"


def filler(size: int) -> Iterator[bytes]:
    """``size`` bytes of text in blocks."""
    while size > 0:
        yield BLOCK[: min(size, len(BLOCK))]
        size -= len(BLOCK)


def form(name: str, size: int) -> tuple[int, Iterator[bytes]]:
    """A form with one file of ``size`` bytes: its length and its blocks."""
    head = HEAD % name.encode()

    def blocks() -> Iterator[bytes]:
        yield head
        yield from filler(size)
        yield TAIL

    return len(head) + size + len(TAIL), blocks()


def form_of(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """A form of small files."""
    return b"".join(HEAD % name.encode() + body + b"\r\n" for name, body in parts) + b"--b--\r\n"


def head(path: str, kind: str, length: int | str, **more: str) -> bytes:
    """The head of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", "Connection: close"]
    lines += [f"Content-Length: {length}"] if length != "chunked" else ["Transfer-Encoding: chunked"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(frozen=True)
class Answered:
    """An answer: status (0: none came), head and the last line of its body as JSON."""

    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def retry_after(self) -> bool:
        return b"\nretry-after:" in self.head.lower()


def send(port: int, request_head: bytes, blocks: Iterable[bytes]) -> Answered:
    """Sends a request whatever comes back meanwhile, then reads the answer."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)) as connection:
        try:
            connection.sendall(request_head)
            for block in blocks:
                connection.sendall(block)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused and closed: there may be an answer all the same
        return read(connection)


def read(connection: socket.socket) -> Answered:
    """The answer that comes until the server closes."""
    received = bytearray()
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    answer_head, _, body = bytes(received).partition(b"\r\n\r\n")
    status = int(answer_head.split()[1]) if answer_head else 0
    return Answered(status, answer_head, body)


def upload(port: int, name: str, size: int, collection: str = "docs") -> Answered:
    """One file of ``size`` bytes."""
    length, blocks = form(name, size)
    return send(port, head(f"/api/v1/collections/{collection}/files", MULTIPART, length), blocks)


def at_once(count: int, call: Callable[[int], Answered]) -> list[Answered]:
    """Calls in threads that start together."""
    answers: list[Answered | None] = [None] * count
    together = threading.Barrier(count)

    def run(number: int) -> None:
        together.wait(LIMIT_S)
        answers[number] = call(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S * 2)
    assert not any(thread.is_alive() for thread in threads), "an upload hangs"
    return [answer for answer in answers if answer is not None]


def resident(pid: int) -> int:
    """Bytes of memory that are a process's own (private and its share of what is shared)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Pss")


@contextmanager
def peak_of(pid: int) -> Iterator[Callable[[], int]]:
    """Watches a process at 10 Hz; tells how much more than at the beginning it held at most, bytes."""
    begin = highest = resident(pid)
    stop = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not stop.wait(0.1):
            highest = max(highest, resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(highest, resident(pid)) - begin
    finally:
        stop.set()
        watcher.join(LIMIT_S)


def open_files(pid: int) -> int:
    """How many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a path object for each is not wanted


def left_behind(data: Path) -> list[str]:
    """Files in the folder of what is coming in, and temporary ones of envelopes."""
    return [str(path) for folder in ("incoming", "accepted") for path in (data / folder).rglob("*")
            if path.is_file() and (folder == "incoming" or path.suffix == ".tmp")]  # fmt: skip
