"""One stretch of a file as a file of its own: how a large body is read without holding it in memory."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class BodyReader(io.RawIOBase):
    """Reads ``length`` bytes from ``start`` on of an open file descriptor, which it owns and closes."""

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._start = start
        self._length = length
        self._position = 0

    @property
    def place(self) -> tuple[int, int, int]:
        """Descriptor, first byte and length: what another process needs to read the same."""
        return self._descriptor, self._start, self._length

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves within the stretch, 0 being its first byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position within the stretch."""
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Reads at the position; 0 at the end of the stretch."""
        view = memoryview(buffer).cast("B")
        left = min(len(view), self._length - self._position)
        if left <= 0:
            return 0
        count = os.preadv(self._descriptor, [view[:left]], self._start + self._position)
        self._position += count
        return count

    def close(self) -> None:
        """Closes the descriptor."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()
