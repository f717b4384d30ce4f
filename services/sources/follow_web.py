"""One look at pages of the web: a single one, or all that a sitemap names."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from services.errors import SourceError
from services.sources.delivery import Delivery, Offer, page_document_id
from services.sources.fetch.fetcher import Fetcher
from services.sources.fetch.values import Fetched, Known, PageError
from services.sources.globs import wanted
from services.sources.page import page_file
from services.sources.sitemap import MAX_ENTRIES, Entry, read_sitemap
from services.sources.slices import Progress, Slice
from services.sources.values import Item, Source, SourceKind

MAX_SITEMAPS = 500
MAX_SITEMAP_DEPTH = 2  # an index, and the sitemaps it names; an index within an index still counts
REFETCH_MS = 7 * 86_400_000  # a lastmod that never changes is not believed for longer
MISSES_UNTIL_GONE = 2
PATIENCE_S = 1.0  # a shorter wait for a server's turn is waited out within the step


def wall_ms() -> int:
    """Now, ms since the epoch."""
    return time.time_ns() // 1_000_000


class WebRun:
    """One look at a page or sitemap.

    Args:
        source: what to look at.
        delivery: where what is found goes.
        fetcher: the safe way to pages.
        started_ms: when this look began; pages fetched since (by a process that died) are not fetched again.
        now_ms: the time.
    """

    def __init__(
        self,
        source: Source,
        delivery: Delivery,
        fetcher: Fetcher,
        *,
        started_ms: int,
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._source = source
        self._delivery = delivery
        self._fetcher = fetcher
        self._started_ms = started_ms
        self._now_ms = now_ms
        self._host = fetcher.check(source.location).host
        self._sitemaps: deque[tuple[str, int]] = deque()
        self._sitemaps_read: set[str] = set()  # and those that are to be read
        self._pages: dict[str, str] = {}  # URL to lastmod
        self._todo: deque[str] | None = None
        self._trouble = ""
        if source.kind is SourceKind.SITEMAP:
            self._sitemaps.append((source.location, 0))
        else:
            self._pages[str(fetcher.check(source.location))] = ""

    def step(self, slice_: Slice) -> Progress:
        """See ``Run.step``. Sitemaps are read first, then pages; what is gone from the sitemap is removed last."""
        while self._sitemaps:
            wait_s = self._turn_s(self._sitemaps[0][0])
            if wait_s > PATIENCE_S or not slice_.left_s():
                return Progress(self._delivery.tally, wait_s=wait_s)
            self._read_sitemap(*self._sitemaps.popleft())
        if self._todo is None:
            self._todo = deque(self._pages)
        while self._todo:
            if self._is_known(self._todo[0]):
                self._todo.popleft()
                continue
            wait_s = self._turn_s(self._todo[0])
            if wait_s > PATIENCE_S or not slice_.left_s():
                return Progress(self._delivery.tally, wait_s=wait_s)
            slice_.guard()
            self._take(self._todo.popleft(), slice_)
        return self._finish(slice_)

    def _turn_s(self, url: str) -> float:
        try:
            return self._fetcher.wait_s(url)
        except PageError:
            return 0.0  # fetching it says why not

    def _finish(self, slice_: Slice) -> Progress:
        items = self._delivery.items
        if self._trouble:
            raise SourceError(f"{self._trouble}. Nothing was removed", code="sitemap-incomplete")
        if self._source.kind is SourceKind.SITEMAP and not self._pages and items:
            raise SourceError(
                f"the sitemap names no page any more, {len(items):,} were known; nothing was removed. If it is meant "
                "so, remove this source together with its documents",
                code="sitemap-empty",
            )
        gone = [key for key in items if key.decode() not in self._pages]
        self._delivery.remove(gone, slice_.guard)
        failed = [item.error for item in items.values() if item.error]
        if self._source.kind is SourceKind.URL and failed:
            raise SourceError(failed[0], code="page-failed")
        return Progress(replace(self._delivery.tally, failed=len(failed)))

    # -- sitemaps -------------------------------------------------------------------------------------------

    def _read_sitemap(self, url: str, depth: int) -> None:
        """Reads one sitemap. The source's own must be readable; one that an index names may fail, and then nothing is
        removed.
        """
        self._sitemaps_read.add(url)
        try:
            with self._fetcher.fetch(url) as fetched:
                assert fetched.body is not None  # noqa: S101 - it was not asked conditionally
                found = read_sitemap(fetched.body)
        except SourceError as error:
            if depth == 0:
                raise
            self._trouble = self._trouble or f"a part of the sitemap cannot be read: {error.message}"
            return
        if found.truncated:
            self._trouble = f"the sitemap {url} names more than {MAX_ENTRIES:,} pages; the rest is left out"
        for entry in found.entries:
            if found.is_index:
                if not self._add_sitemap(entry, depth + 1):
                    break
            else:
                self._add_page(entry)

    def _add_sitemap(self, entry: Entry, depth: int) -> bool:
        """Puts a sitemap on the list; False when there is no room for it or any other."""
        if depth > MAX_SITEMAP_DEPTH or len(self._sitemaps_read) >= MAX_SITEMAPS:
            self._trouble = (
                f"the sitemap refers to more than {MAX_SITEMAPS} others or deeper than {MAX_SITEMAP_DEPTH}; the rest "
                "is left out"
            )
            return False
        try:
            page = self._fetcher.check(entry.url)
        except PageError:
            return True
        url = str(page)
        if url not in self._sitemaps_read and self._host_allowed(page.host):
            self._sitemaps_read.add(url)
            self._sitemaps.append((url, depth))
        return True

    def _add_page(self, entry: Entry) -> None:
        try:
            page = self._fetcher.check(entry.url)
        except PageError:
            return
        path = page.url.path.lstrip("/")
        if not self._host_allowed(page.host) or not wanted(path, self._source.include, self._source.exclude):
            return
        url = str(page)
        if url not in self._pages and len(self._pages) >= MAX_ENTRIES:
            self._trouble = f"the sitemap names more than {MAX_ENTRIES:,} pages; the rest is left out"
            return
        self._pages[url] = entry.lastmod

    def _host_allowed(self, host: str) -> bool:
        return self._source.other_hosts or host == self._host

    # -- pages ----------------------------------------------------------------------------------------------

    def _is_known(self, url: str) -> bool:
        """Whether the page need not be fetched at this look."""
        item = self._delivery.items.get(url.encode())
        if item is None or not item.seen_ms:
            return False
        if item.seen_ms >= self._started_ms:
            return True
        lastmod = self._pages[url]
        fresh = bool(lastmod) and item.mark == lastmod and not item.error and not item.misses
        if fresh and self._now_ms() - item.seen_ms < REFETCH_MS:
            self._count(unchanged=1)
            return True
        return False

    def _take(self, url: str, slice_: Slice) -> None:
        key = url.encode()
        item = self._delivery.items.get(key) or Item(page_document_id(url))
        known = Known(item.etag, item.last_modified) if item.digest and not item.error else Known()
        try:
            with self._fetcher.fetch(url, known) as fetched:
                self._hand_over(key, item, fetched, slice_)
        except PageError as error:
            self._missed(key, item, error, slice_)

    def _hand_over(self, key: bytes, item: Item, fetched: Fetched, slice_: Slice) -> None:
        seen = replace(
            item,
            mark=self._pages[key.decode()],
            etag=fetched.known.etag or (item.etag if fetched.unchanged else ""),
            last_modified=fetched.known.last_modified or (item.last_modified if fetched.unchanged else ""),
            seen_ms=self._now_ms(),
            misses=0,
            error="",
        )
        if fetched.unchanged or (fetched.digest == item.digest and not item.error):
            self._delivery.note({key: seen})
            self._count(unchanged=1)
            return
        file = page_file(fetched, self._fetcher.check(fetched.url), item.document_id)
        self._delivery.offer([Offer(key, file, replace(seen, digest=fetched.digest))], slice_.guard)

    def _missed(self, key: bytes, item: Item, error: PageError, slice_: Slice) -> None:
        """A page that cannot be had stays as it was; one that is gone at two looks goes from the index."""
        misses = item.misses + 1 if error.gone else item.misses
        missed = replace(item, misses=misses, seen_ms=self._now_ms(), error=error.message[:500])
        self._delivery.note({key: missed})
        if error.gone and misses == MISSES_UNTIL_GONE:
            self._delivery.remove([key], slice_.guard)
            self._delivery.note({key: replace(missed, digest="", etag="", last_modified="", mark="")})

    def _count(self, **counts: int) -> None:
        self._delivery.tally = self._delivery.tally.plus(**counts)
