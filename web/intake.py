"""What request bodies may come in: how long each may be, and how many bytes of them may be on their way at once.

Bodies lie on disk before a thread takes them, so without a limit on all of them together some hundreds of large uploads
would fill the disk. A body is refused before it is read where its length says that there is no room for it.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.admission.policy import Standing
from services.admission.probes import MIB, free_bytes
from services.errors import NearfieldError, Overloaded, StorageFull, TooLarge, Unavailable
from services.settings import Settings
from web.body import MULTIPART_TYPE, NDJSON_TYPES

UPLOAD_COPIES = 3
"""On the disk at a time: the body as it came, its files, the envelope."""

OTHER_COPIES = 2
SMALL_BYTES = 1024 * 1024
"""Bodies up to here pass while there is a shortage: the route knows whether they are a search or a document."""

RETRY_AFTER_S = 5
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """How long a body of its kind may be, and how often it lies on the disk while it is taken in."""

    bytes: int
    setting: str
    copies: int


def body_limit(content_type: str, settings: Settings) -> BodyLimit:
    """The limit that a Content-Type stands for."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MULTIPART_TYPE:
        return BodyLimit(settings.max_upload_bytes, "NEARFIELD_MAX_UPLOAD_BYTES", UPLOAD_COPIES)
    if media_type in NDJSON_TYPES:
        return BodyLimit(settings.max_bulk_bytes, "NEARFIELD_MAX_BULK_BYTES", OTHER_COPIES)
    return BodyLimit(settings.max_body_bytes, "NEARFIELD_MAX_BODY_BYTES", OTHER_COPIES)


class Intake:
    """Keeps count of the bodies on their way.

    Args:
        settings: the limits.
        standing: what is known of the room there is; must answer at once.
        free: free bytes of the disk that bodies lie on.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        standing: Callable[[], Standing] = Standing,
        free: Callable[[], int] | None = None,
    ) -> None:
        self._settings = settings
        self._standing = standing
        self._free = free or (lambda: _free_of(settings.data_dir))
        self._lock = threading.Lock()
        self._bytes = 0
        self._missing = 0

    @property
    def bytes(self) -> int:
        """Bytes on their way: declared, or received where nothing was declared."""
        return self._bytes

    def enter(self, content_type: str, length: int | None) -> Entry:
        """Lets a body come in; the entry must be left when the request is over.

        Args:
            content_type: the request's.
            length: what it declares, None for nothing.

        Raises:
            TooLarge: longer than its kind may be. Overloaded: too many bytes are on their way.
            StorageFull: no room on the disk, or no room for new documents at all.
        """
        limit = body_limit(content_type, self._settings)
        entry = Entry(self, limit)
        if length is not None and length > limit.bytes:
            raise _too_long(length, limit)
        if (length is None or length > SMALL_BYTES) and (refusal := self._standing().refusal()):
            raise refusal
        entry.declare(length or 0)
        return entry

    def reserve(self, count: int, copies: int, *, small: bool) -> None:
        """Counts ``count`` more bytes in; a small body always gets in. Raises as ``enter``."""
        with self._lock:
            if self._bytes and not small and self._bytes + count > self._settings.spool_bytes:
                raise self._too_many(count)
            least = self._settings.disk_free_min_mb * MIB
            if least and not small and self._free() - self._missing - count * copies < least:
                raise _no_room(count, copies)
            self._bytes += count
            self._missing += count * copies

    def release(self, count: int, missing: int) -> None:
        """Counts a body out."""
        with self._lock:
            self._bytes -= count
            self._missing -= missing

    def arrived(self, count: int) -> None:
        """Notes bytes that have been written and so are in the disk's own figures from now on."""
        with self._lock:
            self._missing -= count

    def _too_many(self, count: int) -> NearfieldError:
        return Overloaded(
            f"{self._bytes:,} bytes of uploads are on their way and {count:,} more were offered; at most "
            f"{self._settings.spool_bytes:,} (NEARFIELD_SPOOL_BYTES) are taken at a time. Send this again in a moment",
            code="too-many-uploads",
            retry_after_s=RETRY_AFTER_S,
        )


class Entry:
    """One body on its way."""

    def __init__(self, intake: Intake, limit: BodyLimit) -> None:
        self._intake = intake
        self._limit = limit
        self._declared = 0
        self._arrived = 0
        self._missing = 0

    def declare(self, count: int) -> None:
        """Counts bytes in that are to come. Raises as ``Intake.enter``."""
        small = self._declared + count <= SMALL_BYTES
        self._intake.reserve(count, self._limit.copies, small=small)
        self._declared += count
        self._missing += count * self._limit.copies

    def grow(self, count: int) -> None:
        """Notes bytes that came; raises as ``Intake.enter`` where nothing was declared and they are too many."""
        self._arrived += count
        if self._arrived > self._declared:
            if self._arrived > self._limit.bytes:
                raise _too_long(self._arrived, self._limit)
            self.declare(self._arrived - self._declared)
        self._intake.arrived(count)
        self._missing -= count

    def leave(self) -> None:
        """Counts the body out; more than once does no harm."""
        self._intake.release(self._declared, self._missing)
        self._declared = self._missing = 0


def _free_of(folder: Path) -> int:
    while True:
        try:
            return free_bytes(folder)
        except FileNotFoundError:  # before the first start
            folder = folder.parent


def _too_long(length: int, limit: BodyLimit) -> TooLarge:
    return TooLarge(
        f"the body has {length:,} bytes or more; at most {limit.bytes:,} ({limit.setting}) are read of this kind. "
        "Send less at a time, or raise the limit",
        pointer="",
    )


def _no_room(count: int, copies: int) -> StorageFull:
    return StorageFull(
        f"nothing was accepted: there is no room on the disk for a body of {count:,} bytes, which takes up to {copies} "
        "times as much while it is taken in. Free some space, or lower NEARFIELD_DISK_FREE_MIN_MB",
        retry_after_s=30,
    )


def storage_error(error: OSError) -> NearfieldError:
    """What it means that a body could not be put on the disk."""
    if error.errno in _NO_SPACE:
        return StorageFull(
            "no room is left in the data folder for uploads: nothing was accepted. Free some space on that disk and "
            "send this again",
            retry_after_s=30,
        )
    return Unavailable(
        f"the upload could not be put aside ({error.strerror or type(error).__name__}): nothing was accepted. Send it "
        "again in a moment",
        code="storage-unavailable",
        retry_after_s=5,
    )
