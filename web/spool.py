"""The files of a form, put one after the other into one temporary file while they are read.

One file whatever the number of parts: a thousand small ones would otherwise hold a thousand file descriptors, or some
hundreds of megabytes of memory where each may stay there up to 500 KB.
"""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING

import flask

from services.file_window import FileWindow
from web.intake import storage_error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class FormSpool:
    """The temporary file of one form. It has no name, so it is gone with the last part, and with the process."""

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with its last part
        except OSError as error:
            raise storage_error(error) from error
        self._end = 0

    def close(self) -> None:
        """Gives the disk its room back; more than once does no harm."""
        self._file.close()

    def part(self) -> Part:
        """A new part behind the others; it must be written before the next is begun."""
        return Part(self, self._end)

    def write_at(self, data: ReadableBuffer, position: int) -> int:
        """Writes all of ``data``.

        Raises:
            StorageFull: no room is left. Unavailable: anything else that the disk says.
        """
        view = memoryview(data).cast("B")
        written = 0
        try:
            while written < len(view):
                written += os.pwrite(self._file.fileno(), view[written:], position + written)
        except OSError as error:
            raise storage_error(error) from error
        self._end = max(self._end, position + written)
        return written

    def read_at(self, buffer: WriteableBuffer, position: int) -> int:
        """Fills ``buffer`` as far as there are bytes, in one call of the system."""
        return os.preadv(self._file.fileno(), [buffer], position)


class Part(FileWindow):
    """One part: a file of its own to whoever writes or reads it. Writing at its end makes it longer."""

    def __init__(self, spool: FormSpool, start: int) -> None:
        super().__init__(start, 0)
        self._spool = spool

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes at the position. Raises as ``FormSpool.write_at``."""
        written = self._spool.write_at(data, self._start + self._position)
        self._position += written
        self._length = max(self._length, self._position)
        return written

    def _read_at(self, buffer: memoryview, position: int) -> int:
        return self._spool.read_at(buffer, position)


class SpoolingRequest(flask.Request):
    """Flask's request with the parts of a form in one file of the data folder."""

    _spool: FormSpool | None = None

    def close(self) -> None:
        """Ends the request: its files are gone."""
        super().close()
        if self._spool is not None:
            self._spool.close()

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002 - the four are werkzeug's to give
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        if self._spool is None:
            self._spool = FormSpool()
        # werkzeug writes it, steps back to its beginning and hands it on; nothing of IO[bytes] beyond that is used
        return self._spool.part()  # type: ignore[return-value]
