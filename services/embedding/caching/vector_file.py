"""The SQLite file under the cache of document vectors: opened, filled, trimmed and put away when it is broken."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

EVICTED_SHARE = 16
"""One part in so many of the rows goes at a time: rarely, and never all."""

BUSY_S = 0.5
"""How long a writer waits for another one; a transaction of 128 rows takes 2 ms."""

_SET = "v1"
_NAME = "vectors.sqlite"
_LOCK = "lock"
# Nothing here must survive a power cut: without waiting for the disk a transaction costs a tenth. What a cut may
# leave behind is noticed by SQLite or by the rows' checksums.
# Pages of 8 KiB hold five vectors of 384 numbers, those of 4 KiB only two.
_SETTINGS = (
    "PRAGMA page_size=8192",
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=OFF",
    "PRAGMA journal_size_limit=8388608",
    "PRAGMA cache_size=-4096",
    "PRAGMA trusted_schema=OFF",
)
# The rows are in the order of their coming, so that the oldest are a range, and a new one is written at the end.
_TABLE = "CREATE TABLE IF NOT EXISTS vectors (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, packed BLOB)"

Identity = tuple[int, int]
"""Device and inode."""


class VectorFile:
    """One open file. Not for several threads at once; several processes may have it open.

    Every method raises ``sqlite3.Error`` when the file is broken or cannot be used now; its code says which.
    """

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self.identity = identity
        self._connection = connection
        self._pid = os.getpid()

    @classmethod
    def open(cls, folder: Path) -> VectorFile:
        """Opens the file in ``folder``, and makes it if need be.

        Raises:
            OSError: the folder cannot be made, or another process does not let go of it (TimeoutError).
        """
        path = folder / _SET / _NAME
        with _alone(folder):  # nobody puts the set away between the opening of the file and that of its log
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                for setting in _SETTINGS:
                    connection.execute(setting).fetchall()
                connection.execute(_TABLE)
                status = path.stat()
            except BaseException:
                connection.close()
                raise
        return cls(connection, (status.st_dev, status.st_ino))

    @staticmethod
    def discard(folder: Path, identity: Identity | None) -> None:
        """Puts the file and its log away, if it is still the one of ``identity`` (None: whichever it is).

        The set of files is a folder and goes in one step, so that no file ever meets the log of another.

        Raises:
            OSError: it cannot be moved or removed.
        """
        with _alone(folder):
            path = folder / _SET / _NAME
            try:
                status = path.stat()
            except FileNotFoundError:
                return
            if identity is not None and identity != (status.st_dev, status.st_ino):
                return
            away = folder / f"broken-{uuid.uuid4().hex}"
            path.parent.rename(away)
            for each in folder.glob("broken-*"):
                shutil.rmtree(each, ignore_errors=True)

    def is_foreign(self) -> bool:
        """Whether the connection is that of the process that this one was forked from."""
        return self._pid != os.getpid()

    def get(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Key and content of those that are there."""
        marks = ",".join("?" * len(keys))
        rows = self._connection.execute(f"SELECT key, packed FROM vectors WHERE key IN ({marks})", keys)  # noqa: S608
        return [(key, packed) for key, packed in rows if isinstance(key, bytes) and isinstance(packed, bytes)]

    def put(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Writes rows, all or none of them; what was there under the same key is replaced."""
        with self._writing():
            self._connection.executemany("INSERT OR REPLACE INTO vectors (key, packed) VALUES (?, ?)", rows)

    def remove(self, keys: Sequence[bytes]) -> None:
        """Forgets rows."""
        with self._writing():
            self._connection.executemany("DELETE FROM vectors WHERE key = ?", [(key,) for key in keys])

    def forget_oldest(self, share: int) -> int:
        """Forgets one part in ``share`` of the rows, at least one; returns how many."""
        with self._writing():
            return self._connection.execute(
                "DELETE FROM vectors WHERE number IN (SELECT number FROM vectors ORDER BY number LIMIT "
                "(SELECT MAX(1, COUNT(*) / ?) FROM vectors))",
                (share,),
            ).rowcount

    def used_bytes(self) -> int:
        """What the rows take; the file may be larger by pages that wait for new rows."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def shrink(self, max_bytes: int) -> None:
        """Gives pages back to the disk while the file is larger than it may become."""
        surplus = self._pragma("page_count") - max_bytes // self._pragma("page_size")
        spare = min(surplus, self._pragma("freelist_count"))
        if spare > 0:
            # execute() would do one step of it, which is one page
            self._connection.executescript(f"PRAGMA incremental_vacuum({spare})")

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Whoever opens or puts away does so alone, among all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = time.monotonic() + BUSY_S
        while not _locked(handle):
            if time.monotonic() > give_up:
                raise TimeoutError(f"another process holds {folder / _LOCK}")
            time.sleep(0.005)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
