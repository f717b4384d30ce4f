"""The lines of a long body, read so that neither a long line nor a long body is in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

SLICE_DOCUMENTS = 256
SLICE_BYTES = 4 * 1024 * 1024
READ_BYTES = 64 * 1024


class LineReader(Protocol):
    """What a request body offers."""

    def readline(self, size: int = -1, /) -> bytes:
        """The next line with its end, or at most ``size`` bytes of it; b"" at the end."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank. ``body`` is None when it was longer than allowed."""

    number: int
    body: bytes | None


def read_lines(stream: LineReader, limit_bytes: int) -> Iterator[Line]:
    """The lines of a body, numbered from 1, blank ones passed over; no more than ``limit_bytes`` of one are kept."""
    number = 0
    while True:
        body = stream.readline(limit_bytes + 1)
        if not body:
            return
        number += 1
        whole = len(body) <= limit_bytes or body.endswith(b"\n")
        if not whole:
            rest = body
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(READ_BYTES)
        if not whole:
            yield Line(number, None)
        elif body.strip():
            yield Line(number, body)


def cut(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Slices of at most 256 lines and about 4 MiB."""
    current: list[Line] = []
    size = 0
    for line in lines:
        current.append(line)
        size += len(line.body or b"")
        if len(current) >= SLICE_DOCUMENTS or size >= SLICE_BYTES:
            yield current
            current, size = [], 0
    if current:
        yield current
