"""Reading untrusted files from outside: each in a process of its own, which can crash, hang or lie without harm."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from services.errors import ExtractionFailed
from services.ingest.extract.types import Tick
from services.ingest.sandbox import results, verdicts
from services.ingest.sandbox.frames import UnusableResult
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.link import ServerDied, ServerLink
from services.ingest.sandbox.messages import Task, Verdict
from services.ingest.sandbox.results import Breakdown, RowSlice
from services.ingest.values import Extracted
from services.ledger.bodies import Body
from services.ledger.envelope_body import BodyReader

log = logging.getLogger(__name__)
T = TypeVar("T")

_NAME_CHARS = 400
SLICE_ROWS = 2000
SLICE_BYTES = 8 * 1024 * 1024


class FileReader(Protocol):
    """Turns files into text, and sources into rows."""

    def extract(self, media_type: str, body: Body, *, name: str, max_text_bytes: int, tick: Tick) -> Extracted:
        """The text of a file; see ``Sandbox.extract``."""
        ...

    def rows(self, media_type: str, body: Body, *, name: str, after: int, tick: Tick) -> RowSlice:
        """Rows of a source; see ``Sandbox.rows``."""
        ...


class Sandbox:
    """A fork server, started when first needed and again when it died; a child of it for every file.

    Args:
        folder: for the empty folders that children stand in; made when needed.
        limits: of a child.
        extractors: further readers, as in NEARFIELD_EXTRACTORS.

    One file at a time; other threads wait.
    """

    def __init__(self, folder: Path, limits: SandboxLimits, extractors: str = "") -> None:
        self.limits = limits
        self._link = ServerLink(folder, extractors, walled=limits.filter_calls)
        self._turn = threading.Lock()

    @property
    def server_pid(self) -> int:
        """The fork server's process id, 0 while there is none."""
        return self._link.pid

    def start(self) -> None:
        """Starts the server and does not wait for it: it loads its readers while the worker loads its model."""
        with self._turn:
            self._link.start()

    def close(self) -> None:
        """Ends the server; the next file starts another."""
        with self._turn:
            self._link.close()

    def extract(self, media_type: str, body: Body, *, name: str, max_text_bytes: int, tick: Tick) -> Extracted:
        """The text of a file, with what else is known of it.

        Args:
            media_type: what to read it as.
            body: bytes, or an open file; one of an envelope's is read by the child alone.
            name: the file's name.
            max_text_bytes: the largest text that is taken (UTF-8).
            tick: called a few times a second while the child is within its limits. What it raises ends the child and
                comes out here.

        Raises:
            InvalidInput: the file cannot be read; the code says why.
            ExtractionFailed: the child crashed or was over a limit.
            Unavailable: no child can be started at all.
        """
        start, length = _stretch(body)
        task = Task("extract", media_type, name[:_NAME_CHARS], start, length, self.limits, max_text_bytes)

        def read(result: BinaryIO) -> Extracted | Breakdown:
            most = self.limits.output_bytes
            return results.read_extracted(result, most_bytes=most, max_text_bytes=max_text_bytes)

        return self._run(task, body, read, tick)

    def rows(self, media_type: str, body: Body, *, name: str, after: int, tick: Tick) -> RowSlice:
        """The rows of a source behind row ``after``: about 8 MiB or 2,000 of them, at least one where there is one.

        Args and errors as ``extract``; an error stands behind the rows that could be read.
        """
        start, length = _stretch(body)
        task = Task(
            "rows", media_type, name[:_NAME_CHARS], start, length, self.limits,
            after=after, limit_rows=SLICE_ROWS, limit_bytes=min(SLICE_BYTES, self.limits.output_bytes // 2),
        )  # fmt: skip

        def read(result: BinaryIO) -> RowSlice | Breakdown:
            return results.read_slice(result, most_bytes=self.limits.output_bytes, after=after)

        return self._run(task, body, read, tick)

    def _run(self, task: Task, body: Body, read: Callable[[BinaryIO], T | Breakdown], tick: Tick) -> T:
        with self._turn, _source(body) as source, _memory_file("nearfield-result") as target:
            verdict = self._verdict(task, source.fileno(), target, tick)
            failure = verdicts.failure(verdict, self.limits)
            if failure is not None:
                raise failure
            try:
                found = read(target)
            except UnusableResult as error:
                raise verdicts.no_result(str(error)) from None
        if isinstance(found, Breakdown):
            raise verdicts.broken(found.kind, found.trace)
        return found

    def _verdict(self, task: Task, source: int, target: BinaryIO, tick: Tick) -> Verdict:
        """Runs the task; a server that died gets one successor. If that dies too, it is the file's doing."""
        for _ in range(2):
            try:
                return self._link.run(task, source, target.fileno(), tick)
            except ServerDied:
                log.warning("the fork server died over a file (%s); starting another", task.media_type)
                os.ftruncate(target.fileno(), 0)
        raise ExtractionFailed(
            "the process that reads files died twice over this one; it is damaged, or made to do harm", again=True
        )


def _memory_file(name: str) -> BinaryIO:
    """A file without a name on any disk."""
    return os.fdopen(os.memfd_create(name), "w+b")


def _stretch(body: Body) -> tuple[int, int]:
    """Where a body's bytes stand in the file that ``_source`` gives."""
    raw = getattr(body, "raw", None)
    if isinstance(raw, BodyReader):
        return raw.place[1:]
    return (0, len(body)) if isinstance(body, bytes) else (0, body.seek(0, os.SEEK_END))


class _Borrowed(io.RawIOBase):
    """A descriptor that belongs to somebody else."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor


def _source(body: Body) -> io.IOBase | BinaryIO:
    """A file that another process can read the body from. Only bytes in memory are copied."""
    raw = getattr(body, "raw", None)
    if isinstance(raw, BodyReader):
        return _Borrowed(raw.place[0])
    if not isinstance(body, bytes):
        return _Borrowed(body.fileno())
    file = _memory_file("nearfield-source")
    file.write(body)
    file.flush()
    return file
