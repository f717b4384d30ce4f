"""The child's side: a request on stdin, progress and one result on stdout, each a line of JSON."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from services.errors import NearfieldError

_PARENT_DEATH = 1
_NICENESS = 5
"""Added to the parent's."""

Report = Callable[[Mapping[str, object]], None]
"""Tells the parent how far the work is."""

Work = Callable[[Mapping[str, Any], Report], Mapping[str, object]]


def serve(work: Work) -> int:
    """Does one piece of work for the parent and returns the exit status.

    Whatever libraries print goes to stderr: stdout belongs to the protocol.
    """
    # closing stdout would lose what libraries still hold for it: it is only led elsewhere
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request: dict[str, Any] = json.loads(sys.stdin.readline())
    _end_with(int(request["parent"]))
    _give_way(int(request["memory_bytes"]))

    def say(line: Mapping[str, object]) -> None:
        answers.write(json.dumps(line) + "\n")
        answers.flush()

    try:
        say({"result": work(request["work"], lambda progress: say({"progress": progress}))})
    except NearfieldError as error:
        say({"error": {"kind": type(error).__name__, "code": error.code, "message": error.message}})
    except MemoryError:
        most = int(request["memory_bytes"]) >> 20
        say({"error": {"kind": "Unavailable", "code": "out-of-memory", "message": f"it needs more than {most:,} MiB"}})
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - the parent is told in words; the log has the trace
        traceback.print_exc()
        words = f"{type(error).__name__}: {str(error)[:300]}"
        with contextlib.suppress(OSError):
            say({"error": {"kind": "", "code": "crashed", "message": words}})
    return 0


def _end_with(parent: int) -> None:
    """The child ends when its parent does, also one that has gone already."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _give_way(memory_bytes: int) -> None:
    """Others come first, memory has a limit, and the machine takes this process first when it has none left."""
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
