"""robots.txt as RFC 9309 has it: what is missing allows everything, what cannot be asked for allows nothing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

MAX_ROBOTS_BYTES = 500 * 1024  # what RFC 9309 asks for at least; the rest of a longer file is not read
KEPT_S = 3600.0
KEPT_TROUBLE_S = 300.0
MAX_KEPT = 500


@dataclass(frozen=True, slots=True)
class RobotsFile:
    """What an origin answered when it was asked for its robots.txt.

    ``text`` None: it could not be asked (no answer, or a server error, as ``trouble`` says), so nothing may be fetched
    now.
    """

    text: str | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an origin allows us. ``delay_s`` is the pause it asks for; ``trouble``: why it could not be asked."""

    trouble: str
    parsed: Protego | None
    agent: str

    def allows(self, url: str) -> bool:
        """Whether the page may be fetched."""
        return not self.trouble and (self.parsed is None or bool(self.parsed.can_fetch(url, self.agent)))

    @property
    def delay_s(self) -> float | None:
        """Seconds between two requests, None when nothing is asked for."""
        delay = self.parsed.crawl_delay(self.agent) if self.parsed is not None else None
        return float(delay) if delay is not None else None


class Robots:
    """The rules of origins, remembered for an hour (five minutes where there was trouble). Safe between threads.

    Args:
        agent: the name that rules are looked up under.
        ask: fetches an origin's robots.txt.
        clock: seconds, monotonic.
    """

    def __init__(
        self, agent: str, ask: Callable[[str], RobotsFile], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._agent = agent
        self._ask = ask
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Rules]] = OrderedDict()
        self._lock = threading.Lock()

    def rules(self, origin: str) -> Rules:
        """The rules of "https://host:port"."""
        with self._lock:
            known = self._kept.get(origin)
            if known is not None and self._clock() < known[0]:
                return known[1]
        answered = self._ask(origin)
        parsed = Protego.parse(answered.text) if answered.text else None
        rules = Rules(answered.trouble if answered.text is None else "", parsed, self._agent)
        with self._lock:
            self._kept[origin] = (self._clock() + (KEPT_TROUBLE_S if rules.trouble else KEPT_S), rules)
            self._kept.move_to_end(origin)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return rules
