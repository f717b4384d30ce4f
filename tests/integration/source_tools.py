"""Following sources in the test's own process: one look at a time, on the test's own Redis pair."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.collections.values import Collection
from services.sources.asking import SourceWish, make_source
from services.sources.fetch.fetcher import Fetcher
from services.sources.follow_folder import FolderRules
from services.sources.following import Following, Means
from services.sources.slices import Slice
from services.sources.values import FollowedSource, SourceStatus, Tally
from tests.apiapp import Api, make_api
from tests.conftest import RedisPair
from tests.sites import make_fetcher

LONG_AGO_S = 1_600_000_000


@dataclass
class Follower:
    """A collection and the means to follow sources into it; every look is made anew, as after a restart."""

    api: Api
    collection: Collection
    means: Means
    root: Path

    def add(self, location: str, **wish: object) -> FollowedSource:
        """A new source."""
        ports = range(1, 65_536)
        made = make_source(
            self.collection,
            SourceWish(location, **wish),  # type: ignore[arg-type]
            roots=self.means.folders.roots,
            ports=ports,
        )
        return self.means.store.create(made)

    def look(self, name: str, *, guard: Callable[[], None] = lambda: None) -> SourceStatus:
        """One whole look at a source by a process that knows nothing yet; returns the status afterwards."""
        following = Following(self.followed(name), self.means)
        following.tell = True
        deadline = time.monotonic() + 60
        while True:
            following.due_at = None
            following.work(Slice(5.0, guard))
            if following.gone or self.followed(name).status.state.value not in ("syncing", "waiting"):
                break
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.followed(name).status if not following.gone else SourceStatus()

    def tally(self, name: str) -> Tally:
        """What one look finds."""
        status = self.look(name)
        assert not status.error, status.error
        return status.tally

    def followed(self, name: str) -> FollowedSource:
        return self.means.store.get(self.collection.id, name)

    def documents(self) -> dict[str, str]:
        """The collection's documents: id and state."""
        page = self.api.services.ledger.documents(self.collection.id, limit=500)
        return {record.id: record.state.value for record in page.items}

    def searchable(self) -> set[str]:
        """Documents that can be found once the worker is done."""
        self.api.drain()
        return {document_id for document_id, state in self.documents().items() if state == "ready"}

    def write(self, path: str, text: str | bytes, mtime_s: float = LONG_AGO_S) -> Path:
        """A file below the followed root, last written long ago."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(file, (mtime_s, mtime_s))
        return file


@contextmanager
def make_follower(pair: RedisPair, folder: Path, *, fetcher: Fetcher | None = None) -> Iterator[Follower]:
    """A follower of ``folder/root``, with a collection called docs."""
    root = folder / "root"
    root.mkdir()
    data = folder / "data"
    with make_api(pair, data, source_folders=str(root)) as api:
        api.collection("docs")
        services = api.services
        spool = data / "incoming"
        means = Means(
            store=services.sources,
            collections=services.collections,
            acceptor=services.acceptor,
            ledger=services.ledger,
            fetcher=fetcher or make_fetcher(spool),
            folders=FolderRules((str(root),), data, spool, 1_000_000),
            scan_s=5,
        )
        yield Follower(api, services.collections.get("docs"), means, root)
