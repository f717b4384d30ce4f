"""The parent's side: starts a module as a process, hands it its work, listens, and ends it when it is over a limit."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from services import errors
from services.errors import InvalidInput, ModelError, NearfieldError

_LOOK_S = 0.5
_TAIL_BYTES = 600
_MOST_LINE_BYTES = 1024 * 1024
_MEMORY_SHARE = 0.75


class ChildFailed(NearfieldError):
    """The child crashed, was killed, or was over a limit.

    Args:
        again: whether another attempt may go better.
    """

    code = "child-failed"

    def __init__(self, message: str, *, code: str, again: bool) -> None:
        super().__init__(message, code=code)
        self.again = again


class Stopped(Exception):
    """The child was ended because ``go_on`` said so."""


def memory_limit() -> int:
    """Three quarters of the machine's memory, in bytes."""
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE)


def run_child(
    module: str,
    work: Mapping[str, object],
    *,
    limit_s: float,
    silence_s: float | None = None,
    on_progress: Callable[[Mapping[str, Any]], None] = lambda _progress: None,
    go_on: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Has ``python -m module`` do a piece of work and returns its result.

    The calling thread must live as long as the child: the child dies with it.

    Args:
        work: what the module's ``serve`` gets.
        limit_s: it is ended after this.
        silence_s: it is ended when it says nothing for so long; None: it may be silent.
        on_progress: called with what it reports.
        go_on: asked twice a second; False ends the child.

    Raises:
        ChildFailed: code "crashed", "too-slow" or "stuck". Stopped: ``go_on`` said no.
        InvalidInput, ModelError, NearfieldError: what the child raised.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            request = {"parent": os.getpid(), "memory_bytes": memory_limit(), "work": dict(work)}
            _hand_over(process, request)
            return _listen(process, log, limit_s, silence_s, on_progress, go_on)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _hand_over(process: subprocess.Popen[bytes], request: Mapping[str, object]) -> None:
    assert process.stdin is not None  # noqa: S101 - opened above
    try:
        with process.stdin as pipe:
            pipe.write(json.dumps(request).encode() + b"\n")
    except BrokenPipeError:
        pass  # it died at its start; listening tells


def _listen(
    process: subprocess.Popen[bytes],
    log: IO[bytes],
    limit_s: float,
    silence_s: float | None,
    on_progress: Callable[[Mapping[str, Any]], None],
    go_on: Callable[[], bool],
) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - opened by the caller
    started = heard = time.monotonic()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not go_on():
                raise Stopped
            now = time.monotonic()
            if now - started > limit_s:
                raise ChildFailed(f"it took longer than {limit_s:,.0f} s and was ended", code="too-slow", again=False)
            if silence_s is not None and now - heard > silence_s:
                raise ChildFailed(f"it showed no progress for {silence_s:,.0f} s", code="stuck", again=True)
            if not selector.select(_LOOK_S):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            heard = time.monotonic()
            rest += data
            *lines, rest = rest.split(b"\n")
            for line in lines:
                result = _said(line, on_progress)
                if result is not None:
                    return result
            if not data or len(rest) > _MOST_LINE_BYTES:
                raise _crash(process, log)


def _said(line: bytes, on_progress: Callable[[Mapping[str, Any]], None]) -> dict[str, Any] | None:
    said: dict[str, Any] = json.loads(line)
    if "progress" in said:
        on_progress(said["progress"])
        return None
    if "error" in said:
        raise _as_error(said["error"])
    result: dict[str, Any] = said["result"]
    return result


def _as_error(told: Mapping[str, str]) -> NearfieldError:
    """The child's error as one of ours, by its class' name."""
    kind = getattr(errors, told["kind"], None)
    if isinstance(kind, type) and issubclass(kind, InvalidInput | ModelError | errors.Unavailable | errors.NotFound):
        return kind(told["message"], code=told["code"])
    return ChildFailed(told["message"], code=told["code"], again=True)


def _crash(process: subprocess.Popen[bytes], log: IO[bytes]) -> ChildFailed:
    status = process.wait()
    log.seek(max(log.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
    tail = log.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ChildFailed(
        f"the process ended with {how}" + (f": {tail[0][:200]}" if tail else ""), code="crashed", again=True
    )
