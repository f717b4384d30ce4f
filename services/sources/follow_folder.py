"""One look at a folder: new and changed files are taken, those that are gone are removed from the index."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from services.errors import SourceError
from services.ingest.values import FileInput
from services.sources.delivery import Delivery, Offer, short_id
from services.sources.folder import (
    SETTLE_NS,
    FileChanged,
    Look,
    Seen,
    copy_file,
    look_through,
    opened_folder,
)
from services.sources.slices import Progress, Slice
from services.sources.values import Item, Source

BATCH_FILES = 64
BATCH_BYTES = 8 * 1024 * 1024
IN_MEMORY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FolderRules:
    """What holds for all followed folders.

    ``roots`` may be followed with all below them, ``own`` (the data folder) never; temporary copies go to ``spool``.
    """

    roots: tuple[str, ...]
    own: Path
    spool: Path
    max_file_bytes: int


class FolderRun:
    """One look at a folder source.

    Args:
        source: the folder.
        delivery: where what is found goes.
        rules: what may be followed.
        root: the folder's identity at the last look, "" for none.
    """

    def __init__(self, source: Source, delivery: Delivery, rules: FolderRules, root: str) -> None:
        self._source = source
        self._delivery = delivery
        self._rules = rules
        self._root = root
        self._todo: list[tuple[bytes, Seen]] | None = None
        self._gone: list[bytes] = []

    def step(self, slice_: Slice) -> Progress:
        """See ``Run.step``. The first step looks, all take files in small batches, the last one removes."""
        with opened_folder(self._source.location, self._rules.roots) as folder:
            if self._todo is None:
                self._look(folder)
            assert self._todo is not None  # noqa: S101 - just made
            while self._todo:
                self._take_batch(folder, slice_)
                if not slice_.left_s() and self._todo:
                    return Progress(self._delivery.tally, wait_s=0.0)
        self._delivery.remove(self._gone, slice_.guard)
        self._gone = []
        failed = sum(1 for item in self._delivery.items.values() if item.error)
        return Progress(replace(self._delivery.tally, failed=failed), root=self._root)

    def _look(self, folder: int) -> None:
        own = self._own()
        look = look_through(folder, self._source.include, self._source.exclude, passed_over=own)
        items = self._delivery.items
        self._require_the_same(look)
        now_ns = time.time_ns()
        self._todo = []
        freed = self._delivery.freed([path for path in items if path in look.files])
        for path, seen in sorted(look.files.items()):
            known = items.get(path)
            if known is not None and known.mark == seen.mark and path not in freed:
                self._count(unchanged=not known.error)
            elif 0 <= now_ns - seen.mtime_ns < SETTLE_NS:
                self._count(waiting=1)
            else:
                self._todo.append((path, seen))
        self._gone = [path for path in items if path not in look.files and not look.hides(path)]
        self._delivery.note(
            {
                path: replace(items[path], error=f"it cannot be read ({reason})")
                for path, reason in look.unread.items()
                if path in items and not items[path].error
            }
        )
        if look.too_many:
            raise SourceError(
                "the folder holds more files than one source follows; follow its subfolders one by one, or leave files "
                "out with exclude patterns",
                code="too-many-files",
            )

    def _own(self) -> tuple[int, int] | None:
        """Our data folder's device and inode.

        Raises:
            SourceError: the followed folder lies in it.
        """
        own = os.path.realpath(self._rules.own)
        if Path(os.path.realpath(self._source.location)).is_relative_to(own):
            raise SourceError("this is Nearfield's own data folder, which is not followed", code="folder-not-allowed")
        try:
            status = Path(own).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _require_the_same(self, look: Look) -> None:
        """Another folder in the place of the known one, with nothing of it inside, is not a folder that was emptied."""
        items = self._delivery.items
        if self._root and self._root != look.root and items and not any(path in items for path in look.files):
            raise SourceError(
                f"{self._source.location} is another folder than before and holds none of the {len(items):,} known "
                "files: probably something is not mounted. Nothing was removed; if it is meant so, remove this source "
                "together with its documents and add it again",
                code="folder-replaced",
            )
        self._root = look.root

    def _take_batch(self, folder: int, slice_: Slice) -> None:
        assert self._todo is not None  # noqa: S101
        offers: list[Offer] = []
        bodies: list[BinaryIO] = []
        size = 0
        try:
            while (
                self._todo
                and len(offers) < BATCH_FILES
                and (not offers or size + self._todo[0][1].size_bytes <= BATCH_BYTES)
            ):
                path, seen = self._todo.pop(0)
                body = self._spooled()
                bodies.append(body)
                offer = self._copied(folder, path, seen, body)
                if offer is not None:
                    offers.append(offer)
                    size += seen.size_bytes
                if not slice_.left_s():
                    break
            self._delivery.offer(offers, slice_.guard)
        finally:
            for body in bodies:
                body.close()

    def _copied(self, folder: int, path: bytes, seen: Seen, body: BinaryIO) -> Offer | None:
        """What is to be handed over of a file; None when nothing is."""
        known = self._delivery.items.get(path)
        name = f"{self._source.name}/{os.fsdecode(path)}"
        item = Item(known.document_id if known else short_id(name, f"{self._source.name}/"), mark=seen.mark)
        try:
            digest = copy_file(folder, path, seen, body, self._rules.max_file_bytes)
        except FileChanged:
            self._count(waiting=1)
            return None
        except SourceError as error:
            kept = known.digest if known else ""
            self._delivery.note({path: replace(item, digest=kept, error=error.message)})
            return None
        item = replace(item, digest=digest)
        if known is not None and known.digest == digest and not known.error:
            self._delivery.note({path: item})
            self._count(unchanged=1)
            return None
        body.seek(0)
        return Offer(path, FileInput(name=name, body=body, id=item.document_id), item)

    def _spooled(self) -> BinaryIO:
        self._rules.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(self._rules.spool)))

    def _count(self, **counts: int) -> None:
        self._delivery.tally = self._delivery.tally.plus(**counts)
