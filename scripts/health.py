"""Health checks of the containers (docker-compose.yml); the exit status is the answer, 0 for well.

``health.py http URL`` wants an answer below 400. ``health.py heartbeat FILE`` judges a worker or the keeper by its
heartbeat, as ``nearfield up`` does, and ends one that stands still: Docker restarts what ended, never what is unwell.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cli.up.heartbeat import STILL_LIMIT_S, parse_beat

HTTP_TIMEOUT_S = 4.0


@dataclass(frozen=True)
class Seen:
    """What the checks before this one saw. Times are of the machine's own clock, which no change of date moves."""

    content: str
    counter: int
    busy: bool
    changed_s: float
    progressed_s: float


def answers(url: str) -> bool:
    """Whether a GET of the URL is answered with a status below 400."""
    try:
        with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S):
            return True
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return False


def look(content: bytes, before: Seen | None, now_s: float) -> Seen:
    """What is seen now, given what was seen before."""
    beat, text = parse_beat(content), content.decode("utf-8", "replace")
    moved = before is None or not beat.busy or not before.busy or beat.counter != before.counter
    return Seen(
        content=text,
        counter=beat.counter,
        busy=beat.busy,
        changed_s=now_s if before is None or text != before.content else before.changed_s,
        progressed_s=now_s if before is None or moved else before.progressed_s,
    )


def stands_still(seen: Seen, now_s: float, limit_s: float = STILL_LIMIT_S) -> bool:
    """Whether the file has not changed, or work in hand has not moved, for longer than the limit."""
    return max(now_s - seen.changed_s, now_s - seen.progressed_s) > limit_s


def check_heartbeat(
    path: Path, *, now_s: float, limit_s: float = STILL_LIMIT_S, end: Callable[[int, int], None] = os.kill
) -> bool:
    """Whether the process that writes this heartbeat is at work or idle; ends it, and says no, when it stands still."""
    memory = path.with_name(path.name + ".seen")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        print(f"no heartbeat in {path} yet", file=sys.stderr)
        return False
    seen = look(content, _remembered(memory), now_s)
    if not stands_still(seen, now_s, limit_s):
        memory.write_text(json.dumps(asdict(seen)), encoding="utf-8")
        return True
    print(f"ending a process that stands still: {seen.content}", file=sys.stderr)
    path.unlink()
    memory.unlink()
    end(int(json.loads(seen.content)["pid"]), signal.SIGKILL)
    return False


def _remembered(memory: Path) -> Seen | None:
    try:
        return Seen(**json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def main(arguments: list[str]) -> int:
    """Runs one check; returns its exit status."""
    match arguments:
        case ["http", url]:
            return 0 if answers(url) else 1
        case ["heartbeat", file]:
            return 0 if check_heartbeat(Path(file), now_s=time.clock_gettime(time.CLOCK_BOOTTIME)) else 1
        case _:
            print("usage: health.py http URL | health.py heartbeat FILE", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
