"""Documents that did not get done within a slice, with the vectors they have, until their next slice."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.ingest.pipeline.work import Work, WorkKey, key_of

_PLACES = 2
_KEPT_S = 120.0


class Shelf:
    """A few places, so that memory stays bounded; who finds none free goes on to the end instead.

    A document that another worker took meanwhile leaves its place after two minutes.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[WorkKey, tuple[Work, float]] = {}

    def has_room(self) -> bool:
        """Whether another document can be put aside."""
        now = self._clock()
        self._kept = {key: entry for key, entry in self._kept.items() if now - entry[1] < _KEPT_S}
        return len(self._kept) < _PLACES

    def holds(self, key: WorkKey) -> bool:
        """Whether the document of that key is put aside here."""
        return key in self._kept

    def put(self, work: Work) -> None:
        """Puts a document aside."""
        self._kept[key_of(work.claimed)] = (work, self._clock())

    def take(self, key: WorkKey) -> Work | None:
        """The document of that key, which then has no place any more."""
        entry = self._kept.pop(key, None)
        return entry[0] if entry else None
