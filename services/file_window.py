"""A stretch of a larger file as a file of its own: what reads or writes it sees positions from 0 on."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class FileWindow(io.RawIOBase):
    """Moves and reads within ``length`` bytes from byte ``start`` on; a subclass says how the file under it is read.

    The file's own position is not used, so any number of windows may stand on one file.
    """

    def __init__(self, start: int, length: int) -> None:
        super().__init__()
        self._start = start
        self._length = length
        self._position = 0

    @abstractmethod
    def _read_at(self, buffer: memoryview, position: int) -> int:
        """Fills ``buffer`` from byte ``position`` of the whole file on; returns how many bytes there were."""

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves within the window, 0 being its first byte; never before that."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position within the window."""
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Reads at the position; 0 at the end of the window."""
        view = memoryview(buffer).cast("B")
        left = min(len(view), self._length - self._position)
        if left <= 0:
            return 0
        count = self._read_at(view[:left], self._start + self._position)
        self._position += count
        return count
