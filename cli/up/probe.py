"""Looking at the web server from outside: has it a port, and is it ready to search?"""

from __future__ import annotations

import http.client
import time
from pathlib import Path

_EAGER_S = 60.0
_EAGER_PAUSE_S = 0.1
_PATIENT_PAUSE_S = 3.0


def read_port(path: Path) -> int | None:
    """The port that the web server wrote once it listened, None until then."""
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def answers_ready(url: str, timeout_s: float = 1.0) -> bool:
    """Whether ``/readyz`` answers 200."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class ReadyProbe:
    """Asks ten times a second for a minute, then every three seconds: a model that cannot be loaded stays that way."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.monotonic()
        self._next = 0.0

    def ready(self) -> bool:
        """Whether the server said that it is ready; asks at most as often as is decent."""
        now = time.monotonic()
        if now < self._next:
            return False
        found = answers_ready(self._url)
        pause = _EAGER_PAUSE_S if now - self._began < _EAGER_S else _PATIENT_PAUSE_S
        self._next = time.monotonic() + pause
        return found
