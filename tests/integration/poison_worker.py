"""A worker with a reader that kills its process: ``python -m tests.integration.poison_worker``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from services.ingest.extract.registry import register
from workers.main import main
from workers.process import run_to_the_end

POISON = "application/x-poison"


def kill(body: bytes, tick: Callable[[], None]) -> NoReturn:
    """Ends the process as an exhausted memory would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


if __name__ == "__main__":
    register(POISON, kill)
    run_to_the_end(main)
