"""When a resource is too full for new work, and when it has room again. Pure: readings in, a standing out.

Work is refused at the high mark, before anything breaks, and taken again below a low mark, so that it is not refused
and taken in turns while a resource sits at its limit. Searches and removals go on at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.errors import NearfieldError, Overloaded, StorageFull

RESUME_AT = 0.94
"""Share of a resource's limit below which it is open again: 85 % of the memory where 90 % is the limit."""

RETRY_AFTER_S = 30
QUEUE_RETRY_AFTER_S = 10


class Resource(StrEnum):
    """What is watched."""

    INDEX_MEMORY = "index-memory"
    LEDGER_MEMORY = "ledger-memory"
    DISK = "disk"
    QUEUE = "queue"


STOPS_INGESTION = frozenset({Resource.INDEX_MEMORY, Resource.DISK})
"""What workers wait for. Working documents off empties the queue, and hardly touches the ledger's memory."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One reading of one resource.

    Args:
        resource: what was read; there may be several of a kind (disks).
        pressure: 1.0 where new work is refused; what is above is fuller still.
        figures: the reading for people, such as "930 MiB of 1,024 MiB are used; the mark is 90 %".
        place: tells several resources of a kind apart, such as a folder; "" where there is one.
    """

    resource: Resource
    pressure: float
    figures: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource that has no room for more, and the words for it."""

    gauge: Gauge

    @property
    def resource(self) -> Resource:
        """What is short."""
        return self.gauge.resource

    @property
    def sentence(self) -> str:
        """What is full, how full, and what to do."""
        what, remedy = _WORDS[self.gauge.resource]
        place = f" ({self.gauge.place})" if self.gauge.place else ""
        return f"{what}{place}: {self.gauge.figures}; {remedy}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether there is room. ``shortages`` is empty when there is; the gravest comes first."""

    shortages: tuple[Shortage, ...] = ()

    @property
    def accepting(self) -> bool:
        """Whether new documents are taken."""
        return not self.shortages

    @property
    def pausing(self) -> tuple[Shortage, ...]:
        """Why workers take nothing in hand; empty while they do."""
        return tuple(shortage for shortage in self.shortages if shortage.resource in STOPS_INGESTION)

    def refusal(self) -> NearfieldError | None:
        """The error for new work, None when it is taken."""
        if not self.shortages:
            return None
        gravest = self.shortages[0]
        message = f"nothing was accepted, because there is no room for more. {_capital(gravest.sentence)}"
        if gravest.resource is Resource.QUEUE:
            return Overloaded(message, retry_after_s=QUEUE_RETRY_AFTER_S)
        return StorageFull(message, retry_after_s=RETRY_AFTER_S)


_WORDS: Mapping[Resource, tuple[str, str]] = {
    Resource.INDEX_MEMORY: (
        "the index Redis is nearly out of memory",
        "delete documents or collections, or raise its limit (NEARFIELD_INDEX_MAXMEMORY_MB, or maxmemory of a server "
        "of your own)",
    ),
    Resource.LEDGER_MEMORY: (
        "the ledger Redis is nearly out of memory",
        "delete collections, or raise its limit (NEARFIELD_LEDGER_MAXMEMORY_MB, or maxmemory of a server of your own)",
    ),
    Resource.DISK: (
        "the disk is nearly full",
        "free some space there, or lower NEARFIELD_DISK_FREE_MIN_MB",
    ),
    Resource.QUEUE: (
        "too many documents are waiting to be indexed",
        "send this again when fewer are waiting, or raise NEARFIELD_QUEUE_MAX_DOCUMENTS",
    ),
}
_ORDER = tuple(Resource)


def judge(gauges: Iterable[Gauge], before: Standing) -> Standing:
    """The standing that new readings give.

    Args:
        gauges: what could be read.
        before: the standing until now. What was short then stays so until it is below the low mark, and also while it
            cannot be read: a server that is away has not become emptier.
    """
    short_before = {_key(shortage.gauge): shortage for shortage in before.shortages}
    shortages: list[Shortage] = []
    for gauge in gauges:
        was_short = short_before.pop(_key(gauge), None) is not None
        if gauge.pressure >= 1 or (was_short and gauge.pressure >= RESUME_AT):
            shortages.append(Shortage(gauge))
    shortages += short_before.values()
    return Standing(tuple(sorted(shortages, key=lambda shortage: _ORDER.index(shortage.resource))))


def _key(gauge: Gauge) -> tuple[Resource, str]:
    return gauge.resource, gauge.place


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
