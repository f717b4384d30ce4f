"""The collector: follows all sources, a slice of time each, while it holds the lease.

Two collectors may run; one acts, and the other takes over within the lease's 15 s when it is gone. Folders and pages
have threads of their own, so that a slow web server never keeps a folder from being looked at, and all sources of one
host share one of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from services.errors import NearfieldError
from services.ids import new_token
from services.sources.following import Following, Means
from services.sources.slices import NotOurs, Slice
from services.sources.values import FollowedSource, Source, SourceKind

log = logging.getLogger("nearfield.collector")

LEASE_MS = 15_000
RENEW_S = 4.0
SLICE_S = 3.0
READ_AGAIN_S = 30.0
WEB_THREADS = 3
FOLDER_THREADS = 1


class Collector:
    """Follows sources. ``turn`` is called in a loop by one thread.

    Args:
        means: where documents go and the record is kept.
        lease_ms: how long this process may act without asking again.
        on_progress: told of every step, for the heartbeat.
    """

    def __init__(
        self, means: Means, *, lease_ms: int = LEASE_MS, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        self._means = means
        self._lease_ms = lease_ms
        self._on_progress = on_progress
        self._token = new_token()
        self._held_until = 0.0
        self._asked_lease_at = float("-inf")
        self._stopping = threading.Event()
        self._known: dict[str, Following] = {}
        self._revision = -1
        self._read_at = 0.0
        self._working: dict[str, Future[None]] = {}
        self._pools = {
            True: ThreadPoolExecutor(FOLDER_THREADS, thread_name_prefix="folders"),
            False: ThreadPoolExecutor(WEB_THREADS, thread_name_prefix="pages"),
        }

    def turn(self) -> bool:
        """Renews the lease, reads the list of sources and sets those that are due to work; returns at once.

        Returns:
            Whether this collector is the one that acts.

        Raises:
            NearfieldError: the ledger does not answer.
        """
        if not self._lead():
            self._known.clear()
            self._revision = -1
            return False
        self._collect_finished()
        self._update_list()
        asked = self._means.store.asked()
        for source_id, following in sorted(self._known.items(), key=lambda entry: entry[1].due_at or 0.0):
            if source_id in self._working:
                continue
            if following.removal_asked is not None:
                following.followed, following.removal_asked, following.due_at = following.removal_asked, None, 0.0
            if source_id in asked:
                self._means.store.answered(source_id)
                following.due_at, following.tell = 0.0, True
            if following.due_at is not None and following.due_at <= time.monotonic() and self._has_room(following):
                self._start(source_id, following)
        for source_id in asked - self._known.keys():
            self._means.store.answered(source_id)
        return True

    def close(self) -> None:
        """Lets steps under way end at their next check, and another collector act at once."""
        self._stopping.set()
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        try:
            self._means.store.give_lease_back(self._token)
        except NearfieldError as error:
            log.debug("the lease is left to run out: %s", error.message)

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return any(not future.done() for future in self._working.values())

    def _lead(self) -> bool:
        """Whether this collector acts; the lease's end is counted from before it was asked for."""
        now = time.monotonic()
        if now - self._asked_lease_at >= min(RENEW_S, self._lease_ms / 4000):
            self._asked_lease_at = now
            if self._means.store.take_lease(self._token, self._lease_ms):
                self._held_until = now + self._lease_ms / 1000
            else:
                self._held_until = 0.0
        return now < self._held_until

    def _guard(self) -> None:
        """Raises NotOurs when the lease has run out or the process is to end."""
        self._on_progress()
        if self._stopping.is_set() or time.monotonic() > self._held_until:
            raise NotOurs

    def _update_list(self) -> None:
        """Reads the sources anew when the list changed, and every half minute in any case."""
        revision = self._means.store.revision()
        if revision != self._revision or time.monotonic() - self._read_at > READ_AGAIN_S:
            self._update(self._means.store.all())
            self._revision, self._read_at = revision, time.monotonic()

    def _update(self, sources: list[FollowedSource]) -> None:
        there = {followed.source.id for followed in sources}
        for source_id in self._known.keys() - there - self._working.keys():
            del self._known[source_id]
        for followed in sources:
            known = self._known.get(followed.source.id)
            if known is None:
                known = self._known[followed.source.id] = Following(followed, self._means)
                known.plan()
            elif followed.removal and not known.followed.removal:
                known.removal_asked = followed

    def _start(self, source_id: str, following: Following) -> None:
        pool = self._pools[following.source.kind is SourceKind.FOLDER]
        self._working[source_id] = pool.submit(self._work, following)

    def _has_room(self, following: Following) -> bool:
        """Whether a thread may be given to it: sources of one host have one thread together, so that a slow host holds
        up itself and no other.
        """
        host = _host(following.source)
        working = [self._known[source_id] for source_id in self._working if source_id in self._known]
        return not host or all(_host(other.source) != host for other in working)

    def _work(self, following: Following) -> None:
        if self._stopping.is_set():
            return
        following.work(Slice(SLICE_S, self._guard))

    def _collect_finished(self) -> None:
        for source_id, future in list(self._working.items()):
            if not future.done():
                continue
            del self._working[source_id]
            following = self._known.get(source_id)
            if future.cancelled() or following is None:
                continue
            error = future.exception()
            if isinstance(error, NearfieldError):
                log.debug("source %s: %s", following.source.name, error.message)
                following.due_at = time.monotonic() + 1.0
            elif error is not None:
                raise error
            if following.gone:
                del self._known[source_id]


def _host(source: Source) -> str:
    """The host that a source of the web is on; "" for a folder."""
    return "" if source.kind is SourceKind.FOLDER else (urlsplit(source.location).hostname or "")
