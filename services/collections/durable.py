"""Descriptions of collections as files beside the envelopes: what a lost ledger gets its collections back from.

One small file per collection, replaced as a whole, synced, with a checksum. A deleted collection leaves a file that
says so, so that envelopes which are still there do not bring it back. The ledger decides; ``reconcile`` makes the files
follow.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.collections.models import CollectionRecord, from_record, to_record
from services.collections.values import Collection
from services.errors import StorageFull, Unavailable

FORMAT = 1
SUFFIX = ".json"
BURIED_S = 7 * 86_400
"""A deleted collection's file stays this long: far longer than its envelopes do."""
GRACE_S = 60
"""A described collection that the ledger does not name may just be coming into being."""
_ID = re.compile(r"[a-z0-9]{4,40}")


@dataclass(frozen=True, slots=True)
class Descriptions:
    """What the folder holds: living collections, ids of deleted ones, names of files that cannot be read."""

    collections: tuple[Collection, ...]
    deleted: frozenset[str]
    damaged: tuple[str, ...]


class CollectionFolder:
    """The files of one data folder; it is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, collection: Collection) -> None:
        """Writes a description durably.

        Raises:
            StorageFull: no room. Unavailable: the folder cannot be written.
        """
        self._write(collection.id, {"collection": _fields(collection)})

    def bury(self, collection_id: str) -> None:
        """Notes durably that a collection was deleted. Raises as ``keep``."""
        self._write(collection_id, {"deleted": collection_id})

    def forget(self, collection_id: str) -> None:
        """Removes a file, as of a collection that never came to be."""
        with contextlib.suppress(OSError):
            self._path(collection_id).unlink()

    def read(self) -> Descriptions:
        """Everything in the folder; a file that is damaged is named and passed over."""
        collections: list[Collection] = []
        deleted: set[str] = set()
        damaged: list[str] = []
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                content = _content(path.read_bytes())
                if "deleted" in content:
                    deleted.add(str(content["deleted"]))
                else:
                    collections.append(from_record(CollectionRecord(**content["collection"])))
            except (OSError, ValueError, TypeError, KeyError):
                damaged.append(path.name)
        return Descriptions(tuple(collections), frozenset(deleted), tuple(damaged))

    def reconcile(self, known: Iterable[Collection], gone: AbstractSet[str]) -> int:
        """Makes the files say what the ledger says; returns how many were written or removed.

        Args:
            known: the collections there are.
            gone: ids of deleted ones that are not cleared yet.
        """
        found = self.read()
        described = {collection.id: collection for collection in found.collections}
        wanted = {collection.id: collection for collection in known}
        changed = 0
        for collection_id, collection in wanted.items():
            if described.get(collection_id) != collection:
                self.keep(collection)
                changed += 1
        unknown = {id for id in set(described) - set(wanted) if id in gone or self._age_s(id) > GRACE_S}
        for collection_id in (unknown | gone) - set(wanted) - found.deleted:
            self.bury(collection_id)
            changed += 1
        return changed + self._clear(found.deleted - gone)

    def _clear(self, buried: Iterable[str]) -> int:
        """Removes the files of collections that were deleted long ago."""
        old = [collection_id for collection_id in buried if self._age_s(collection_id) > BURIED_S]
        for collection_id in old:
            self.forget(collection_id)
        return len(old)

    def _age_s(self, collection_id: str) -> float:
        """Seconds since a file was written; 0 when it is not there."""
        try:
            return time.time() - self._path(collection_id).stat().st_mtime
        except OSError:
            return 0.0

    def _write(self, collection_id: str, content: dict[str, Any]) -> None:
        path = self._path(collection_id)
        temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            made = not self.folder.exists()
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(encode(content))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            for folder in (self.folder, self.folder.parent) if made else (self.folder,):
                _fsync_folder(folder)
        except OSError as error:
            raise _trouble(error, self.folder) from error

    def _path(self, collection_id: str) -> Path:
        if not _ID.fullmatch(collection_id):
            raise ValueError(f"{collection_id!r} is not a collection id")
        return self.folder / f"{collection_id}{SUFFIX}"


def describe(collection: Collection) -> bytes:
    """The bytes of a collection's file."""
    return encode({"collection": _fields(collection)})


def encode(content: dict[str, Any]) -> bytes:
    """A file's bytes: the content with its format and checksum."""
    text = json.dumps(content, ensure_ascii=True, sort_keys=True)
    checksum = hashlib.sha256(text.encode("ascii")).hexdigest()
    whole = {"format": FORMAT, "checksum": checksum, "content": content}
    return (json.dumps(whole, ensure_ascii=True, sort_keys=True, indent=1) + "\n").encode("ascii")


def _content(data: bytes) -> dict[str, Any]:
    """The content of a file. Raises ValueError when it is not what was written, or of a newer format."""
    whole = json.loads(data)
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or not isinstance(whole.get("content"), dict):
        raise ValueError("not a description of a collection")
    content: dict[str, Any] = whole["content"]
    text = json.dumps(content, ensure_ascii=True, sort_keys=True)
    if hashlib.sha256(text.encode("ascii")).hexdigest() != whole.get("checksum"):
        raise ValueError("its checksum does not match")
    return content


def _fields(collection: Collection) -> dict[str, Any]:
    """The record as JSON values; read back through the same model, so that a field added later has its default."""
    fields: dict[str, Any] = json.loads(to_record(collection).model_dump_json())
    return fields


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trouble(error: OSError, folder: Path) -> StorageFull | Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            f"no room left in {folder}: nothing was changed. Free some space on that disk and try again",
            retry_after_s=30,
        )
    return Unavailable(
        f"the folder {folder} cannot be written ({error.strerror}): nothing was changed. Check its owner and mode",
        code="storage-unavailable",
        retry_after_s=30,
    )
