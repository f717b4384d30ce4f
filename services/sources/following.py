"""Following one source: when it is due, one step at a time, and what people are told of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.collections.store import CollectionStore
from services.collections.values import Collection
from services.errors import NearfieldError, NotFound
from services.ingest.accept import Acceptor
from services.ledger.reading import Reading
from services.sources.delivery import REMOVALS_PER_CALL, Delivery
from services.sources.fetch.fetcher import Fetcher
from services.sources.follow_folder import FolderRules, FolderRun
from services.sources.follow_web import WebRun, wall_ms
from services.sources.slices import NotOurs, Progress, Run, Slice
from services.sources.store import SourceStore
from services.sources.values import FollowedSource, Hold, Item, Source, SourceKind, SourceState, SourceStatus

log = logging.getLogger("nearfield.collector")

FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 3600
LONGEST_FOLDER_PAUSE_S = 60
TRIES_ONCE = 4  # looks at a page that is fetched once, while they fail
TELL_AGAIN_MS = 30_000  # a folder in which nothing happens is not written about at every look: each write is a sync


@dataclass(frozen=True, slots=True)
class Means:
    """What following needs: where documents go, where the record is kept, the ways to folders and pages."""

    store: SourceStore
    collections: CollectionStore
    acceptor: Acceptor
    ledger: Reading
    fetcher: Fetcher
    folders: FolderRules
    scan_s: int


@dataclass(slots=True)
class Following:
    """One source in the hands of this process. One thread at a time works on it.

    ``due_at`` is on the monotonic clock; None: not before somebody asks. ``tell``: somebody waits to read of this look,
    whatever it finds. ``removal_asked`` is taken over when nobody works on it. ``gone``: it was removed.
    """

    followed: FollowedSource
    means: Means
    due_at: float | None = 0.0
    gone: bool = False
    tell: bool = False
    removal_asked: FollowedSource | None = None
    _run: Run | None = None
    _delivery: Delivery | None = None
    _items: dict[bytes, Item] | None = None
    _saved: SourceStatus | None = None
    _now_ms: Callable[[], int] = field(default=wall_ms)

    @property
    def source(self) -> Source:
        """What is followed."""
        return self.followed.source

    def plan(self) -> None:
        """Sets when a source that was just read from the store is due."""
        status = self.followed.status
        if (
            self.source.kind is SourceKind.FOLDER
            or self.followed.removal
            or status.started_ms
            or not status.last_sync_ms
        ):
            self.due_at = 0.0
        elif status.next_sync_ms:
            self.due_at = time.monotonic() + (status.next_sync_ms - self._now_ms()) / 1000
        else:
            self.due_at = None

    def work(self, slice_: Slice) -> None:
        """One step; whatever happens is in the status afterwards.

        Raises:
            NearfieldError: the ledger does not answer; the step is done again later.
        """
        try:
            if self.followed.removal:
                self._remove(slice_)
            else:
                self._step(slice_)
        except NotOurs:
            self._drop_run()
        except NotFound as error:
            if error.code != "unknown-collection":
                raise
            self._forget()
        except NearfieldError as error:
            self._failed(error.code, error.message)
        except Exception as error:  # one source's surprise must not end the others
            log.exception("source %s", self.source.name)
            self._failed("unexpected", f"an unexpected error ({type(error).__name__}); the collector's log has more")

    # -- one look -------------------------------------------------------------------------------------------

    def _step(self, slice_: Slice) -> None:
        collection = self._collection()
        if collection is None:
            self._forget()
            return
        run = self._run or self._begin(collection)
        progress = run.step(slice_)
        if progress.wait_s is not None:
            self.due_at = time.monotonic() + progress.wait_s
            self._save(replace(self._status, state=SourceState.SYNCING, tally=progress.tally))
            return
        self._run = None
        if self.source.kind is not SourceKind.FOLDER:
            self._items = None
        self._finished(progress)

    def _collection(self) -> Collection | None:
        collections = self.means.collections
        if self.source.collection_id in collections.deleted_ids():
            return None
        return collections.by_id(self.source.collection_id)

    def _begin(self, collection: Collection) -> Run:
        means, source = self.means, self.source
        if self._items is None:
            self._items = means.store.items(source.id)
        self._delivery = Delivery(means.acceptor, means.store, means.ledger, source, collection, self._items)
        if source.kind is SourceKind.FOLDER:
            self._run = FolderRun(source, self._delivery, means.folders, self._status.root)
        else:
            started_ms = self._status.started_ms or self._now_ms()
            self._save(replace(self._status, state=SourceState.SYNCING, started_ms=started_ms))
            self._run = WebRun(source, self._delivery, means.fetcher, started_ms=started_ms, now_ms=self._now_ms)
        return self._run

    def _finished(self, progress: Progress) -> None:
        pause_s = self.means.scan_s if self.source.kind is SourceKind.FOLDER else self.source.every_s
        if self.source.kind is SourceKind.FOLDER and self.source.every_s:
            pause_s = self.source.every_s
        if progress.tally.waiting:
            pause_s = min(pause_s, 2)
        self._pause(pause_s)
        now = self._now_ms()
        before = self._status
        status = SourceStatus(
            state=SourceState.IDLE,
            last_sync_ms=now,
            next_sync_ms=now + pause_s * 1000 if pause_s else 0,
            tally=progress.tally,
            items=len(self._delivery.items) if self._delivery is not None else before.items,
            root=progress.root,
        )
        if progress.tally.eventful:
            log.info("source %s: %s", self.source.name, progress.tally)
        elif self._is_old_news(status, before) and not self.tell:
            return
        elif self.source.kind is SourceKind.FOLDER and before.state is SourceState.IDLE and not self.tell:
            # the figures of the last look that did something say more than "nothing new"
            kept = before.tally
            status = replace(status, tally=replace(kept, unchanged=status.items, failed=progress.tally.failed))
        self._save(status)
        self.tell = False

    def _is_old_news(self, status: SourceStatus, before: SourceStatus) -> bool:
        same = (before.state, before.items, before.root) == (status.state, status.items, status.root)
        same = same and before.tally.failed == status.tally.failed
        return (
            self.source.kind is SourceKind.FOLDER and same and status.last_sync_ms - before.last_sync_ms < TELL_AGAIN_MS
        )

    def _failed(self, code: str, message: str) -> None:
        """Tells what went wrong; the next look comes after a pause that doubles."""
        before = self._status
        failures = before.failures + 1
        pause_s = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), LONGEST_PAUSE_S)
        if self.source.kind is SourceKind.FOLDER:
            pause_s = min(self.means.scan_s * 2 ** min(failures - 1, 10), LONGEST_FOLDER_PAUSE_S)
        elif self.source.every_s:
            pause_s = min(pause_s, max(self.source.every_s, FIRST_PAUSE_S))
        elif failures >= TRIES_ONCE:
            pause_s = 0
        now = self._now_ms()
        tally = self._delivery.tally if self._delivery is not None else before.tally
        self._drop_run()
        self._pause(pause_s)
        if (code, message) != (before.error_code, before.error) or self._saved is None:  # once more after a restart
            log.warning("source %s: %s", self.source.name, message)
        self._save(
            replace(
                before,
                state=SourceState.FAILED,
                last_sync_ms=now,
                next_sync_ms=now + pause_s * 1000 if pause_s else 0,
                started_ms=0,
                tally=tally,
                error_code=code,
                error=message,
                failures=failures,
            )
        )

    def _pause(self, seconds: float) -> None:
        self.due_at = time.monotonic() + seconds if seconds else None

    def _drop_run(self) -> None:
        """Ends a look before its end; what is known is read from the store again next time."""
        self._run = self._delivery = self._items = None

    # -- the end of a source --------------------------------------------------------------------------------

    def _remove(self, slice_: Slice) -> None:
        """Settles what a source leaves behind: its documents go, or stay as if they had been added by hand."""
        self._run = None
        collection = self._collection()
        if self._items is None:
            self._items = self.means.store.items(self.source.id)
        if collection is None:
            self.means.store.forget_collection(self.source.collection_id)
        elif self.followed.removal != "delete":
            ours = [item.document_id for item in self._items.values() if item.hold is Hold.OURS]
            self.means.store.leave(collection.id, ours)
        else:
            means = self.means
            delivery = Delivery(means.acceptor, means.store, means.ledger, self.source, collection, self._items)
            while self._items:
                delivery.remove(list(self._items)[:REMOVALS_PER_CALL], slice_.guard)
                if self._items and not slice_.left_s():
                    self.due_at = time.monotonic()
                    return
        slice_.guard()
        self._forget()

    def _forget(self) -> None:
        self.means.store.forget(self.source)
        self.gone = True
        self.due_at = None
        log.info("source %s is removed", self.source.name)

    # -- status ---------------------------------------------------------------------------------------------

    @property
    def _status(self) -> SourceStatus:
        return self._saved or self.followed.status

    def _save(self, status: SourceStatus) -> None:
        self.means.store.save_status(self.source.id, status)
        self._saved = status
