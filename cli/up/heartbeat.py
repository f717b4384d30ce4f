"""Is a child that still runs also still working? Judged by its heartbeat file, in this process's own clock.

A worker writes ``{"pid", "time", "counter", "busy"}`` every second from a side thread; ``counter`` moves only with real
progress, ``busy`` says that it holds work. Times in the file are not compared with ours: a clock that is set back or a
laptop that slept must not get a worker killed. What counts is how long the file's content has stood still.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

STILL_LIMIT_S = 60.0
FIRST_BEAT_LIMIT_S = 600.0  # a model may have to be fetched before the first beat


@dataclass(frozen=True, slots=True)
class Beat:
    """One reading of a heartbeat file."""

    content: bytes
    counter: int
    busy: bool


def parse_beat(content: bytes) -> Beat:
    """Reads a heartbeat; a damaged one counts as a beat without progress, so that only standing still matters."""
    try:
        fields = json.loads(content)
        return Beat(content, int(fields.get("counter", 0)), bool(fields.get("busy", False)))
    except (ValueError, AttributeError, TypeError):
        return Beat(content, 0, False)


class HeartbeatWatch:
    """Follows the heartbeat of one start of a child.

    Args:
        started: when the child was started, in seconds of any clock that only goes forward.
        still_limit_s: a file unchanged for so long, or a busy child without progress for so long, is stuck.
        first_beat_limit_s: how long the first beat may take (imports and the model come before it).
    """

    def __init__(
        self, started: float, still_limit_s: float = STILL_LIMIT_S, first_beat_limit_s: float = FIRST_BEAT_LIMIT_S
    ) -> None:
        self._still_limit_s = still_limit_s
        self._first_beat_limit_s = first_beat_limit_s
        self._beat: Beat | None = None
        self._changed = started
        self._progressed = started

    @property
    def beating(self) -> bool:
        """Whether this start of the child has written a heartbeat."""
        return self._beat is not None

    def look(self, content: bytes | None, now: float) -> str | None:
        """Takes the file's content (None: no file) at time ``now``; returns why the child is stuck, or None."""
        if content is None and self._beat is None:
            waited = now - self._changed
            return f"no heartbeat {waited:.0f} s after its start" if waited > self._first_beat_limit_s else None
        if content is not None and (self._beat is None or content != self._beat.content):
            self._take(parse_beat(content), now)
            return self._stuck_at_work(now)
        if now - self._changed > self._still_limit_s:
            return f"heartbeat unchanged for {now - self._changed:.0f} s"
        return self._stuck_at_work(now)

    def _take(self, beat: Beat, now: float) -> None:
        if self._beat is None or not beat.busy or not self._beat.busy or beat.counter != self._beat.counter:
            self._progressed = now
        self._beat, self._changed = beat, now

    def _stuck_at_work(self, now: float) -> str | None:
        if self._beat is not None and self._beat.busy and now - self._progressed > self._still_limit_s:
            return f"no progress for {now - self._progressed:.0f} s while it holds work"
        return None
