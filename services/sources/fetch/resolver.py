"""From a host name to addresses, within a time limit."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Sequence
from typing import Protocol


class Resolver(Protocol):
    """Whoever knows names. Asked once per connection; what it says is checked and then connected to."""

    def addresses(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        """All numeric addresses of a host, best first. Raises OSError when there are none in time."""
        ...


class SystemResolver:
    """The operating system's own resolver.

    It has no time limit of its own, so it is asked from a thread that is left to itself when it takes too long.
    """

    def addresses(self, host: str, port: int, timeout_s: float) -> Sequence[str]:
        """Addresses in the order of the system's preference. Raises OSError."""
        answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
        threading.Thread(target=_ask, args=(host, port, answers), name="resolve", daemon=True).start()
        try:
            answer = answers.get(timeout=max(timeout_s, 0.01))
        except queue.Empty:
            raise OSError("the name could not be looked up in time") from None
        if isinstance(answer, OSError):
            raise answer
        return answer


def _ask(host: str, port: int, answers: queue.SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        answers.put(error if isinstance(error, OSError) else OSError(str(error)))
        return
    answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
