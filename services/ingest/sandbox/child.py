"""What a child does: reads its document, writes the result, ends. Nothing it does can reach anybody else."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import time
import traceback
from collections.abc import Callable
from typing import BinaryIO

from services.errors import InvalidInput, NearfieldError
from services.ingest.extract.registry import extract
from services.ingest.rows.tabular import NumberedRow, read_rows
from services.ingest.sandbox import confine, results
from services.ingest.sandbox.frames import FrameWriter
from services.ingest.sandbox.messages import Task
from services.ledger.envelope_body import BodyReader

NO_MEMORY, NO_ROOM = 66, 67
"""Exit statuses of a child that had no memory, or no room for its result."""

_SPARE_BYTES = 4 * 1024 * 1024
_TICK_PAUSE_S = 0.1
_ROW_ROOM = 64 * 1024


def run(task: Task) -> int:
    """Does ``task`` on the descriptors that ``confine`` leaves; returns the exit status.

    Whatever a reader raises is written down as a result. Only want of memory or room has a status of its own: by then
    nothing can be written.
    """
    spare = bytearray(_SPARE_BYTES)
    try:
        with os.fdopen(confine.OUTPUT, "wb", closefd=False) as output:
            writer = FrameWriter(output)
            _perform(task, writer)
            writer.close()
    except MemoryError:
        del spare
        return NO_MEMORY
    except OverflowError:
        return NO_ROOM
    except OSError as error:
        return NO_ROOM if error.errno == errno.EFBIG else 1
    return 0


def _perform(task: Task, writer: FrameWriter) -> None:
    raw = BodyReader(os.dup(confine.INPUT), task.start, task.length)
    try:
        with io.BufferedReader(raw) as body:
            if task.action == "rows":
                _write_rows(task, body, writer, _ticker())
            else:
                found = extract(task.media_type, body.read(), max_text_bytes=task.max_text_bytes, tick=_ticker())
                results.write_extracted(writer, found)
    except (MemoryError, OverflowError):
        raise
    except RecursionError:
        error = InvalidInput("it is nested too deep to be read; flatten it, or send it as text", code="nested-too-deep")
        results.write_refusal(writer, error)
    except NearfieldError as error:
        results.write_refusal(writer, InvalidInput(error.message, code=error.code))
    except BaseException as error:  # whatever breaks in a reader (panics of Rust too) is this document's end alone
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            raise
        results.write_breakdown(writer, _breakdown(error))


def _breakdown(error: BaseException) -> results.Breakdown:
    """Where a reader broke. What it said is left out: that may be the document's own words."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    places = "; ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)  # noqa: PTH119
    return results.Breakdown(type(error).__name__, places)


def _write_rows(task: Task, body: BinaryIO, writer: FrameWriter, tick: Callable[[], None]) -> None:
    """Rows until a limit is reached. An error behind some rows waits until they have been taken: it comes again."""
    count = 0
    rows = read_rows(task.media_type, body, after=task.after)
    while True:
        tick()
        try:
            row = next(rows, None)
        except InvalidInput:
            if not count:
                raise
            results.write_end(writer, more=True)
            return
        if row is None:
            results.write_end(writer, more=False)
            return
        size = _size(row)
        if count and writer.length + size > task.limits.output_bytes - _ROW_ROOM:
            break
        results.write_row(writer, row if size + _ROW_ROOM < task.limits.output_bytes else _too_large(row, task))
        count += 1
        if count >= task.limit_rows or writer.length >= task.limit_bytes:
            break
    results.write_end(writer, more=True)


def _size(row: NumberedRow) -> int:
    if row.file is not None:
        return len(row.file.body) if isinstance(row.file.body, bytes) else row.file.body.seek(0, os.SEEK_END)
    return 4 * len(row.row.text) if row.row else 0


def _too_large(row: NumberedRow, task: Task) -> NumberedRow:
    problem = (
        f"it is {_size(row):,} bytes long; at most {task.limits.output_bytes:,} are taken out of a file "
        "(NEARFIELD_EXTRACT_OUTPUT_MB)"
    )
    return NumberedRow(row.number, None, problem, warnings=row.warnings, place=row.place)


def _ticker() -> Callable[[], None]:
    """Signs of progress for the server, at most ten a second."""
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TICK_PAUSE_S:
            last = now
            with contextlib.suppress(OSError):
                os.write(confine.PROGRESS, b".")

    return tick
