"""Originals as they are downloaded: from the disk, in pieces, and not a file left open whoever goes away."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.apiapp import V1, Api, make_api
from tests.conftest import RedisPair
from tests.integration.upload_tools import filler, peak_of, upload
from tests.processes import Product, wait_until
from web.download import PIECE_BYTES

MIB = 1024 * 1024
LARGE = 20 * MIB


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        made.collection("docs")
        yield made


def original(api: Api, body: bytes) -> str:
    document = {"id": "a", "text": body.decode()}
    assert api.call("POST", "/collections/docs/documents", document).status_code == 202
    return f"{V1}/collections/docs/documents/a/original"


def open_envelopes(pid: int) -> int:
    folder, count = Path(f"/proc/{pid}/fd"), 0
    for entry in folder.iterdir():
        try:
            count += str(entry.readlink()).endswith(".nfe")
        except FileNotFoundError:  # closed meanwhile
            continue
    return count


def test_it_comes_in_pieces_with_its_length(api: Api) -> None:
    body = b"".join(filler(3 * PIECE_BYTES + 5))
    answer = api.client.get(original(api, body), buffered=False)
    assert answer.content_length == len(body)
    assert open_envelopes(os.getpid()) == 1
    pieces = list(answer.response)
    assert b"".join(pieces) == body
    assert [len(piece) for piece in pieces] == [PIECE_BYTES] * 3 + [5]
    answer.close()
    assert open_envelopes(os.getpid()) == 0


def test_head_tells_the_length_and_closes_the_file(api: Api) -> None:
    answer = api.client.head(original(api, b"some words"))
    assert (answer.status_code, answer.content_length, answer.data) == (200, 10, b"")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    answer.close()
    assert open_envelopes(os.getpid()) == 0


def test_a_part_of_it_can_be_asked_for(api: Api) -> None:
    path = original(api, b"0123456789" * 30_000)
    answer = api.client.get(path, headers={"Range": "bytes=290003-290008"})
    assert (answer.status_code, answer.data, answer.content_length) == (206, b"345678", 6)
    answer.close()
    beyond = api.client.get(path, headers={"Range": "bytes=300000-"})
    assert beyond.status_code == 416
    assert open_envelopes(os.getpid()) == 0


@pytest.fixture
def product(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    product = Product(redis_pair, tmp_path, {})
    product.web.start()
    wait_until(product._ready, "web ready")
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    yield product
    product.stop()


def ask(product: Product, path: str) -> socket.socket:
    port = int(product.port_file.read_text())
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    return connection


def test_a_large_one_is_never_in_memory_and_is_closed_when_its_client_goes(product: Product) -> None:
    assert product.web.process is not None
    pid = product.web.process.pid
    found = []
    for name, size in (("large.csv", LARGE), ("first.csv", LARGE // 5)):
        answer = upload(int(product.port_file.read_text()), name, size)
        assert answer.status == 202, answer.body
        found.append(f"/api/v1/collections/docs/documents/{answer.json['documents'][0]['id']}/original")
    large, first = found
    with closing(ask(product, first)) as connection:  # buffers of the size of the socket's are made once
        while connection.recv(65536):
            pass
    with peak_of(pid) as peak, closing(ask(product, large)) as connection:
        received = bytearray()
        while part := connection.recv(1 << 20):
            received += part
        assert peak() < LARGE // 2, f"{peak() / MIB:.1f} MiB more for {LARGE / MIB:.0f}"
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert f"Content-Length: {LARGE}".encode() in head
    assert hashlib.sha256(body).digest() == hashlib.sha256(b"".join(filler(LARGE))).digest()
    with closing(ask(product, large)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert open_envelopes(pid) == 1
    wait_until(lambda: open_envelopes(pid) == 0, "the envelope closed")
    assert product.call("GET", "/livez")[0] == 200
