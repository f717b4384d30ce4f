"""Kill -9 proves nothing about fsync, so the order of the system calls is recorded: what precedes a 202.

write envelope, fsync it, rename it, fsync its folder, ledger script, 202. Skipped where strace is not installed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RedisPair
from tests.processes import Product, wait_until

CALLS = "trace=write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg"


@pytest.fixture
def traced(redis_pair: RedisPair, tmp_path: Path) -> Iterator[tuple[Product, Path]]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace not found; install the package strace")
    trace = tmp_path / "trace"
    product = Product(redis_pair, tmp_path)
    product.web.prefix = [strace, "-f", "-y", "-s", "64", "-e", CALLS, "-o", str(trace)]
    product.web.start()
    wait_until(product._ready, "traced web ready")
    yield product, trace
    product.stop()


def position(lines: list[str], pattern: str, after: int) -> int:
    """Index of the first line after ``after`` that matches; fails naming the pattern."""
    for number, line in enumerate(lines[after + 1 :], after + 1):
        if re.search(pattern, line):
            return number
    raise AssertionError(f"no system call matching {pattern!r} after line {after}")


def test_an_envelope_is_on_disk_before_the_ledger_and_the_ledger_before_the_answer(
    traced: tuple[Product, Path],
) -> None:
    product, trace = traced
    assert product.call("POST", "/api/v1/collections", {"name": "docs"})[0] == 201
    before = len(trace.read_text("utf-8", "replace").splitlines())
    status, _ = product.call("POST", "/api/v1/collections/docs/documents", {"id": "a", "text": "Some words."})
    assert status == 202
    lines = trace.read_text("utf-8", "replace").splitlines()[before:]
    answer = position(lines, r'(sendto|write|writev|sendmsg)\(.*"HTTP/1\.1 202', -1)
    lines = lines[: answer + 1]
    write = position(lines, r"(write|pwrite64|writev)\(\d+<[^>]*/accepted/", -1)
    sync = position(lines, r"(fsync|fdatasync)\(\d+<[^>]*/accepted/[^>]*>", write)
    rename = position(lines, r"rename(at2?)?\(.*/accepted/", sync)
    folder = position(lines, r"fsync\(\d+<[^>]*/accepted(/[^>.]*)?>", rename)
    script = position(lines, r"(sendto|write|sendmsg)\(.*EVAL", folder)
    assert write < sync < rename < folder < script < answer
