"""Vectors of documents, kept in the data folder: what was embedded once costs next to nothing the next time.

One SQLite file serves all processes of the machine. It is a cache: it may be deleted at any time, and whatever goes
wrong with it costs time and never a document. Each row carries a checksum over key and vector, so that a row that
power loss or a bad disk has changed is made anew and never served.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.embedding.caching.vector_file import EVICTED_SHARE, VectorFile
from services.embedding.spec import ModelSpec, Role
from services.embedding.texts import CHARS_PER_TOKEN

log = logging.getLogger(__name__)

KEYS_AT_ONCE = 128
PAUSE_S = 30.0
"""How long the cache stays out of the way after an error."""

# The disk is full or busy, or the folder must not be written: no reason to throw away what is kept.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}
# The file is at fault and the disk is not: no reason to wait.
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

_CHECK_BYTES = 8
_LITTLE = np.dtype("<f4")

Vector = NDArray[np.float32]
T = TypeVar("T")


def vector_key(spec: ModelSpec, role: Role, text: str) -> bytes:
    """32 bytes that name a text's vector: they differ when model, role or text do."""
    seen = text[: spec.max_tokens * CHARS_PER_TOKEN].encode("utf-8", "surrogatepass")
    return hashlib.sha256(f"{spec.fingerprint}\0{role.value}\0".encode("ascii") + seen).digest()


class DocumentVectorCache:
    """Keys to vectors, on disk. Safe to use from several threads and processes. Nothing here raises.

    Args:
        folder: for the file; made when it is first needed.
        max_bytes: about how large the file may become; 0: nothing is kept and nothing is touched.
        clock: seconds that only grow.
    """

    def __init__(self, folder: Path, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._file: VectorFile | None = None
        self._paused_until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether vectors are kept at all."""
        return self._max_bytes > 0

    def get(self, keys: Sequence[bytes], dim: int) -> dict[bytes, Vector]:
        """Those of ``keys`` that are there: float32, shape (dim,), the bytes that were put."""
        found: dict[bytes, Vector] = {}
        with self._lock:
            for some in _slices(list(dict.fromkeys(keys))):
                found.update(self._attempt(partial(_checked, keys=some, dim=dim)) or {})
        return found

    def put(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keeps vectors; makes room by forgetting the oldest."""
        with self._lock:
            for some in _slices(list(vectors)):
                rows = [(key, _packed(key, vectors[key])) for key in some]
                self._attempt(partial(_put, rows=rows, max_bytes=self._max_bytes))

    def close(self) -> None:
        """Closes the file; a later call opens it again."""
        with self._lock:
            self._forget()

    def _attempt(self, work: Callable[[VectorFile], T]) -> T | None:
        """What ``work`` gives; None while the cache is off or pauses. Errors end here."""
        try:
            file = self._opened()
            return None if file is None else work(file)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code not in _PASSING:
                self._start_anew(error)
            if code not in _BROKEN:
                self._pause(error)
        except OSError as error:
            self._pause(error)
        return None

    def _opened(self) -> VectorFile | None:
        if not self.is_on or self._clock() < self._paused_until:
            return None
        if self._file is not None and self._file.is_foreign():
            self._file = None  # of the process that this one was forked from; closing it here would harm it
        if self._file is None:
            self._file = VectorFile.open(self._folder)
            _make_room(self._file, self._max_bytes)
        return self._file

    def _start_anew(self, error: sqlite3.Error) -> None:
        """A broken file is put away whole, unless another process has done so already."""
        log.warning("the cache of document vectors in %s is damaged (%s): it starts anew", self._folder, error)
        identity = self._file.identity if self._file is not None else None
        self._forget()
        try:
            VectorFile.discard(self._folder, identity)
        except OSError as failure:
            self._pause(failure)

    def _pause(self, error: Exception) -> None:
        log.warning(
            "the cache of document vectors in %s cannot be used (%s: %s): documents are embedded without it; next try "
            "in %.0f s",
            self._folder,
            type(error).__name__,
            error,
            PAUSE_S,
        )
        self._paused_until = self._clock() + PAUSE_S
        self._forget()

    def _forget(self) -> None:
        if self._file is not None and not self._file.is_foreign():
            self._file.close()
        self._file = None


def document_vector_cache(data_dir: Path, max_mb: int) -> DocumentVectorCache:
    """The cache of a data folder. ``max_mb``: MiB; 0: off."""
    return DocumentVectorCache(data_dir / "model-cache" / "vectors", max_mb * 1024 * 1024)


def _put(file: VectorFile, rows: Sequence[tuple[bytes, bytes]], max_bytes: int) -> None:
    file.put(rows)
    _make_room(file, max_bytes)


def _make_room(file: VectorFile, max_bytes: int) -> None:
    while file.used_bytes() > max_bytes and file.forget_oldest(EVICTED_SHARE):
        pass
    file.shrink(max_bytes)


def _checked(file: VectorFile, keys: Sequence[bytes], dim: int) -> dict[bytes, Vector]:
    found = {}
    damaged = []
    for key, packed in file.get(keys):
        numbers = packed[_CHECK_BYTES:]
        if len(numbers) != dim * _LITTLE.itemsize or _check(key, numbers) != packed[:_CHECK_BYTES]:
            damaged.append(key)
            continue
        found[key] = np.frombuffer(numbers, dtype=_LITTLE).astype(np.float32)
    if damaged:
        log.warning("%d cached vectors were damaged: they are made anew", len(damaged))
        file.remove(damaged)
    return found


def _packed(key: bytes, vector: Vector) -> bytes:
    numbers = np.ascontiguousarray(vector, dtype=_LITTLE).tobytes()
    return _check(key, numbers) + numbers


def _check(key: bytes, numbers: bytes) -> bytes:
    return hashlib.blake2b(numbers, digest_size=_CHECK_BYTES, key=key).digest()


def _slices(keys: Sequence[bytes]) -> Iterator[list[bytes]]:
    rest = iter(keys)
    while some := list(islice(rest, KEYS_AT_ONCE)):
        yield some
