"""A child that does whatever it is told, good or bad: ``python -m tests.unit.children.odd_child``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from services.children.inside import Report, serve
from services.errors import InvalidInput, ModelError


def work(request: Mapping[str, Any], report: Report) -> Mapping[str, object]:
    match request["do"]:
        case "answer":
            print("a library prints this")
            os.write(1, b"and another one this\n")
            for number in range(3):
                report({"number": number})
            return {"given": request["what"], "niceness": os.nice(0)}
        case "sleep":
            time.sleep(60)
        case "refuse":
            raise InvalidInput("that will never do", code="bad-thing")
        case "model":
            raise ModelError("it is broken", code="model-broken")
        case "error":
            raise RuntimeError("something else")
        case "die":
            print("last words", file=sys.stderr)
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGSEGV)
        case "eat":
            hoard = []
            while True:
                hoard.append(bytearray(64 * 1024 * 1024))
    return {}


if __name__ == "__main__":
    os._exit(serve(work))
