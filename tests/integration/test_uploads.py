"""Uploads over real connections: streamed, bounded, refused in time, and gone without a trace when they break off."""

from __future__ import annotations

import json
import random
import signal
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.redis_clients import Client
from tests.conftest import RedisPair
from tests.integration.upload_tools import (
    BLOCK,
    MULTIPART,
    NDJSON,
    Answered,
    at_once,
    form,
    form_of,
    head,
    left_behind,
    open_files,
    peak_of,
    read,
    resident,
    send,
    upload,
)
from tests.processes import Product, wait_until

MIB = 1024 * 1024
FILES = "/api/v1/collections/docs/files"
DOCUMENTS = "/api/v1/collections/docs/documents"
MAX_UPLOAD, MAX_BULK, MAX_BODY = 60 * MIB, 70 * MIB, 3 * MIB


@pytest.fixture
def product(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Product]:
    limits = {"MAX_UPLOAD_BYTES": MAX_UPLOAD, "MAX_BULK_BYTES": MAX_BULK, "MAX_BODY_BYTES": MAX_BODY}
    product = Product(redis_pair, tmp_path, {f"NEARFIELD_{name}": str(value) for name, value in limits.items()})
    product.web.start()
    wait_until(product._ready, "web ready")
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    yield product
    product.stop()


def port_of(product: Product) -> int:
    return int(product.port_file.read_text())


def pid_of(product: Product) -> int:
    assert product.web.process is not None
    return product.web.process.pid


def documents(product: Product) -> int:
    return int(product.call("GET", "/api/v1/collections/docs")[1]["documents"]["total"])


def test_a_large_file_is_never_in_memory(product: Product) -> None:
    upload(port_of(product), "first.csv", 1000)
    with peak_of(pid_of(product)) as peak:
        answer = upload(port_of(product), "large.csv", 55 * MIB)
    print(f"55 MiB uploaded, {peak() / MIB:.0f} MiB more in memory at most")
    assert answer.status == 202, answer.body
    assert peak() < 25 * MIB
    wait_until(lambda: not left_behind(product.folder / "data"), "nothing is left in incoming")
    envelopes = [path.stat().st_size for path in (product.folder / "data" / "accepted").rglob("*.nfe")]
    assert max(envelopes) > 55 * MIB


def test_a_thousand_parts_need_neither_memory_nor_descriptors(product: Product) -> None:
    parts = [(f"{number}.txt", b"tea %d " % number + BLOCK[:40_000]) for number in range(1000)]
    body = form_of(parts)
    upload(port_of(product), "first.txt", 1000)  # opens what stays open: the broker, the pools
    files = open_files(pid_of(product))
    with peak_of(pid_of(product)) as peak:
        answer = send(port_of(product), head(FILES, MULTIPART, len(body)), [body])
    assert answer.status == 202, answer.body[:500]
    assert len(answer.json["documents"]) == 1000
    print(f"1,000 files, {len(body) / MIB:.0f} MiB: {peak() / MIB:.0f} MiB more in memory at most")
    assert peak() < 40 * MIB
    wait_until(lambda: open_files(pid_of(product)) <= files + 8, "descriptors given back", limit_s=20)
    too_many = form_of([(f"{number}.txt", b"x") for number in range(1200)])
    assert send(port_of(product), head(FILES, MULTIPART, len(too_many)), [too_many]).status == 413


@pytest.mark.parametrize(
    ("path", "kind", "limit"), [(FILES, MULTIPART, MAX_UPLOAD), (DOCUMENTS, NDJSON, MAX_BULK),
                                (DOCUMENTS, "application/json", MAX_BODY)]
)  # fmt: skip
def test_exactly_the_limit_is_read_and_a_byte_more_is_not(product: Product, path: str, kind: str, limit: int) -> None:
    over = send(port_of(product), head(path, kind, limit + 1), [])
    assert (over.status, over.json["code"]) == (413, "too-large")
    if kind == MULTIPART:
        length, blocks = form("exact.csv", limit - len(form_of([("exact.csv", b"")])))
        assert length == limit
    else:
        line = json.dumps({"text": "tea"}).encode() + b"\n"
        length, blocks = limit, iter([line, *[b" " * MIB] * (limit // MIB - 1), b" " * (MIB - len(line))])
    answer = send(port_of(product), head(path, kind, length), blocks)
    assert answer.status in (200, 202), answer.body[:500]


def test_lengths_that_lie(product: Product) -> None:
    body = form_of([("a.txt", b"words")])
    port = port_of(product)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.sendall(head(FILES, MULTIPART, len(body) + 100) + body)
        connection.shutdown(socket.SHUT_WR)  # fewer bytes than declared: the request never comes to be
        assert read(connection).status == 0
    short = send(port, head(FILES, MULTIPART, len(body) - 9), [body])
    assert short.status in (400, 422), short.body
    for length in ("-5", "5, 6", "0x10", "99999999999999999999"):
        assert send(port, head(FILES, MULTIPART, length), [body]).status in (400, 413)
    chunks = [b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK)] * (MAX_UPLOAD // len(BLOCK) + 2)
    endless = send(port, head(FILES, MULTIPART, "chunked"), chunks)
    assert (endless.status, endless.json["code"]) == (413, "too-large")
    assert documents(product) == 0
    assert not left_behind(product.folder / "data")


def test_a_refused_body_is_not_asked_for(product: Product) -> None:
    with closing(socket.create_connection(("127.0.0.1", port_of(product)), timeout=60)) as connection:
        connection.sendall(head(FILES, MULTIPART, MAX_UPLOAD + 1, Expect="100-continue"))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    with closing(socket.create_connection(("127.0.0.1", port_of(product)), timeout=60)) as connection:
        body = form_of([("a.txt", b"words")])
        connection.sendall(head(FILES, MULTIPART, len(body), Expect="100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read(connection).status == 202


def test_uploads_that_break_off_leave_nothing(product: Product) -> None:
    """F17: by a reset of the client, and by kill -9 of the server, at any byte."""
    rng = random.Random(17)
    length, blocks = form("cut.txt", 4 * MIB)
    body = head(FILES, MULTIPART, length) + b"".join(blocks)
    for number in range(8):
        with closing(socket.create_connection(("127.0.0.1", port_of(product)), timeout=60)) as connection:
            connection.sendall(body[: rng.randrange(100, len(body) - 1)])
            if number % 4 == 3:
                product.web.kill(signal.SIGKILL)
                product.port_file.unlink()
            else:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 4 == 3:
            product.web.start()
            wait_until(product._ready, "web ready again")
    assert documents(product) == 0
    assert not left_behind(product.folder / "data")
    assert upload(port_of(product), "whole.txt", MIB).status == 202
    assert documents(product) == 1
    files = open_files(pid_of(product))
    for _ in range(20):
        with closing(socket.create_connection(("127.0.0.1", port_of(product)), timeout=60)) as connection:
            connection.sendall(body[: 2 * MIB])
    wait_until(lambda: open_files(pid_of(product)) <= files + 8, "descriptors given back", limit_s=20)


def test_the_surplus_is_refused_and_told_when_to_come_again(product: Product, ledger_client: Client) -> None:
    upload(port_of(product), "first.csv", 1000)
    ledger_client.ping()
    with peak_of(pid_of(product)) as peak:
        answers = at_once(40, lambda number: upload(port_of(product), f"{number}.csv", 3 * MIB))
    by_status = Counter(answer.status for answer in answers)
    print(f"40 uploads of 3 MiB at once: {dict(by_status)}, {peak() / MIB:.0f} MiB more in memory at most")
    assert set(by_status) <= {202, 503}, by_status
    assert by_status[202] >= 4
    assert all(answer.retry_after and answer.json["code"] == "too-many-uploads" for answer in refused(answers))
    assert documents(product) == by_status[202] + 1
    assert product.call("GET", "/readyz")[0] == 200
    assert peak() < 120 * MIB


def refused(answers: list[Answered]) -> list[Answered]:
    return [answer for answer in answers if answer.status != 202]


def test_bulk_lines_of_any_length_in_bounded_memory(product: Product) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(12_000):
            yield json.dumps({"id": f"d{number}", "text": f"tea {number} " + "leaf " * 1000}).encode() + b"\n"

    length = sum(map(len, lines()))
    assert length > 55 * MIB
    product.call("POST", DOCUMENTS, b'{"text": "warm"}')
    before = resident(pid_of(product))
    with peak_of(pid_of(product)) as peak:
        answer = send(port_of(product), head(DOCUMENTS, NDJSON, length), lines())
    answered = [json.loads(line) for line in answer.body.splitlines() if line.startswith(b"{")]
    print(f"{length / MIB:.0f} MiB of lines: {before / MIB:.0f} MiB at first, {peak() / MIB:.0f} MiB more at most")
    assert answered[-1]["accepted"] == 12_000, answered[-1]
    assert answered[-1]["done"]
    assert [line["line"] for line in answered[:-1]] == list(range(1, 12_001))
    assert len(answered[-1]["job_ids"]) == 1
    assert peak() < 60 * MIB
