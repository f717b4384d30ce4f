"""A stretch of a file as a file: both kinds there are behave as a file of the same bytes does."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.file_window import FileWindow
from services.ledger.envelope_body import BodyReader
from web.spool import FormSpool

DATA = bytes(range(200))


Make = Callable[[], AbstractContextManager[FileWindow]]


@contextmanager
def part() -> Iterator[FileWindow]:
    with closing(FormSpool()) as spool:
        spool.part().write(b"before")
        made = spool.part()
        made.write(DATA)
        spool.part().write(b"after")
        made.seek(0)
        yield made


@contextmanager
def body() -> Iterator[FileWindow]:
    descriptor = os.memfd_create("window")
    os.write(descriptor, b"before" + DATA + b"after")
    with BodyReader(descriptor, len(b"before"), len(DATA)) as made:
        yield made


moves = st.tuples(st.integers(0, 300), st.sampled_from((io.SEEK_SET, io.SEEK_CUR)), st.integers(0, 250))
backward = st.tuples(st.integers(-200, 0), st.just(io.SEEK_END), st.integers(0, 250))


@pytest.mark.parametrize("make", [part, body])
@given(steps=st.lists(moves | backward, max_size=8))
def test_it_moves_and_reads_as_a_file_of_its_own(make: Make, steps: list[tuple[int, int, int]]) -> None:
    plain = io.BytesIO(DATA)
    with make() as window:
        for offset, whence, size in steps:
            assert window.seek(offset, whence) == plain.seek(offset, whence)
            assert window.read(size) == plain.read(size)
            assert window.tell() == plain.tell()


@pytest.mark.parametrize("make", [part, body])
def test_it_never_moves_before_its_beginning(make: Make) -> None:
    with make() as window:
        assert window.seek(-5, io.SEEK_CUR) == 0
        assert window.read(3) == DATA[:3]


def test_a_body_closes_its_descriptor_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    descriptor = os.open(tmp_path / "x", os.O_RDONLY)
    reader = BodyReader(descriptor, 0, 5)
    reader.close()
    reader.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
