"""A worker that one text kills, as an exhausted memory would: ``python -m tests.integration.poison_worker``.

Files are read in children, which can be killed without harm; plain text is read in the worker itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from services.ingest.extract.plain import extract_plain
from services.ingest.extract.registry import register
from services.ingest.values import Extracted
from workers.main import main
from workers.process import run_to_the_end

POISON = "a text that nobody survives"


def kill(body: bytes, tick: Callable[[], None]) -> Extracted:
    """Reads a text, unless it is the one."""
    if body == POISON.encode():
        os.kill(os.getpid(), signal.SIGKILL)
    return extract_plain(body, tick)


if __name__ == "__main__":
    register("text/plain", kill)
    run_to_the_end(main)
