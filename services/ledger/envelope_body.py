"""A document's body within its envelope as a file: how a large one is read without holding it in memory."""

from __future__ import annotations

import os

from services.file_window import FileWindow


class BodyReader(FileWindow):
    """Reads ``length`` bytes from ``start`` on of an open file descriptor, which it owns and closes."""

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        super().__init__(start, length)
        self._descriptor = descriptor

    @property
    def place(self) -> tuple[int, int, int]:
        """Descriptor, first byte and length: what another process needs to read the same."""
        return self._descriptor, self._start, self._length

    def close(self) -> None:
        """Closes the descriptor."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _read_at(self, buffer: memoryview, position: int) -> int:
        return os.preadv(self._descriptor, [buffer], position)
