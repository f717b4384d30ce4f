"""The folder of accepted envelopes: the source of truth for every document.

A write is durable when it returns: temporary file, fsync, rename, fsync of the folder. A crash in between leaves a file
that no ledger record points to; ``sweep`` removes such files later. Names begin with the Redis time of their writing,
so their age is told without this machine's clock, and they are spread over 256 folders so that each stays small.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from services.errors import NearfieldError, StorageFull, Unavailable
from services.ledger import envelope_format as form
from services.ledger import envelope_replay as replay
from services.ledger.bodies import BLOCK_BYTES
from services.ledger.envelope_body import BodyReader
from services.ledger.envelope_format import EnvelopeHeader, FrameHead, StoredDocument
from services.ledger.values import NewDocument

SUFFIX = ".nfe"
TEMPORARY = ".tmp"
SHARDS = 256
ABANDONED_S = 600
"""A temporary file this old belongs to a process that died: no request is written for ten minutes."""
_PLACE = re.compile(r"(\d{16}-[0-9a-f]{16}):(\d{1,12})")
_NAME = re.compile(r"(\d{16})-[0-9a-f]{16}")


class EnvelopeStore:
    """Envelopes under one folder, shared by web, workers and keeper.

    A reference is "<name>:<offset of the document's frame>".
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for shard in range(SHARDS):
            self._shard(shard).mkdir(exist_ok=True, mode=0o700)
        _fsync_folder(folder)  # also when another process made the folders: it may not have come this far yet
        _fsync_folder(folder.parent)

    def write(self, header: EnvelopeHeader, documents: Sequence[tuple[NewDocument, int]]) -> tuple[str, ...]:
        """Stores one request durably and returns a reference per document (given with its generation).

        Raises:
            StorageFull: no room; nothing is left behind. Unavailable: the folder cannot be written.
        """
        name = f"{header.created_us:016d}-{secrets.token_hex(8)}"
        try:
            target = self._shard_of(name) / f"{name}{SUFFIX}"
            temporary = target.with_suffix(TEMPORARY)
            try:
                offsets = _write_file(temporary, header, documents)
                temporary.replace(target)
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            _fsync_folder(target.parent)
        except OSError as error:
            raise _write_error(error, self.folder) from error
        return tuple(f"{name}:{offset}" for offset in offsets)

    def read(self, reference: str) -> StoredDocument:
        """One document, verified, without reading the rest of its envelope.

        Raises:
            NearfieldError: code "envelope-missing" or "envelope-damaged".
        """
        with self._open(reference) as (file, head):
            data = file.read(head.meta_bytes + head.body_bytes)
        checksum = form.frame_checksum(head.kind, head.meta_bytes, head.body_bytes)
        checksum.update(data)
        if len(data) != head.meta_bytes + head.body_bytes or checksum.digest() != head.checksum:
            raise form.damaged("a document's bytes do not match their checksum", reference)
        return form.stored_document(data[: head.meta_bytes], data[head.meta_bytes :])

    def open_document(self, reference: str) -> StoredDocument:
        """As ``read``, with the body as an open seekable file instead of bytes: for what may be too large for memory.

        It keeps a block of it at a time. The caller closes the body. Raises as ``read``.
        """
        meta, body = self._verified(reference)
        return form.stored_document(meta, body)

    def replay(self, name: str) -> tuple[EnvelopeHeader, Iterator[StoredDocument]]:
        """A whole envelope in order, checked against its end frame: what a ledger can be made from again.

        The iterator raises as ``read``; an envelope is complete only when it ends without an error.
        """
        with self._open_file(name) as file:
            header = replay.read_header(file, name)
        return header, self._documents(name)

    def names(self, shard: int) -> list[str]:
        """Names of the envelopes in one of the 256 folders, oldest first."""
        return sorted(path.stem for path in self._shard(shard).glob(f"*{SUFFIX}") if _NAME.fullmatch(path.stem))

    def discard(self, name: str) -> None:
        """Removes an envelope that the ledger has refused; that it may stay is no harm."""
        with contextlib.suppress(OSError):
            (self._shard_of(name) / f"{name}{SUFFIX}").unlink(missing_ok=True)

    def sweep(
        self, shard: int, *, now_us: int, condemn: Callable[[list[str]], list[str]], older_than_s: int = 3600
    ) -> int:
        """Removes from one folder what is old and not referenced; returns how many files went.

        Args:
            shard: 0 to 255.
            now_us: Redis TIME; ages are told from names.
            condemn: asked which of the given names nothing refers to, and marks them so that nothing will.
            older_than_s: younger files stay whatever is said of them.
        """
        folder = self._shard(shard)
        abandoned_us = now_us - min(older_than_s, ABANDONED_S) * 1_000_000
        removed = [path for path in folder.glob(f"*{TEMPORARY}") if _created_us(path) < abandoned_us]
        limit_us = now_us - older_than_s * 1_000_000
        names = [path.stem for path in folder.glob(f"*{SUFFIX}") if _created_us(path) < limit_us]
        for start in range(0, len(names), 1000):
            removed += [folder / f"{name}{SUFFIX}" for name in condemn(names[start : start + 1000])]
        for path in removed:
            path.unlink(missing_ok=True)
        return len(removed)

    def is_empty(self) -> bool:
        """True when not one envelope is there."""
        return not any(self.folder.glob(f"*/*{SUFFIX}"))

    def _verified(self, reference: str) -> tuple[bytes, io.BufferedReader]:
        """A frame's JSON, and its body as a file; read through once to be checked."""
        with self._open(reference) as (file, head):
            start = file.tell()
            checksum = form.frame_checksum(head.kind, head.meta_bytes, head.body_bytes)
            meta = file.read(head.meta_bytes)
            checksum.update(meta)
            left = head.body_bytes
            while left and (block := file.read(min(left, BLOCK_BYTES))):
                checksum.update(block)
                left -= len(block)
            if left or checksum.digest() != head.checksum:
                raise form.damaged("a document's bytes do not match their checksum", reference)
            descriptor = os.dup(file.fileno())
        return meta, io.BufferedReader(BodyReader(descriptor, start + head.meta_bytes, head.body_bytes))

    def _documents(self, name: str) -> Iterator[StoredDocument]:
        with self._open_file(name) as file:
            yield from replay.read_documents(file, name)

    def _shard(self, shard: int) -> Path:
        return self.folder / f"{shard:02x}"

    def _shard_of(self, name: str) -> Path:
        return self.folder / name[-2:]

    @contextlib.contextmanager
    def _open(self, reference: str) -> Iterator[tuple[io.BufferedReader, FrameHead]]:
        found = _PLACE.fullmatch(reference)
        if found is None:
            raise form.damaged("its reference is not readable", repr(reference[:80]))
        file = self._open_file(found.group(1))
        with file:
            file.seek(int(found.group(2)))
            yield file, form.read_head(file, form.DOCUMENT, reference)

    def _open_file(self, name: str) -> io.BufferedReader:
        path = self._shard_of(name) / f"{name}{SUFFIX}"
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise NearfieldError(
                f"the stored envelope {name} is missing from {self.folder}; send the document again, or restore the "
                "data folder from a backup",
                code="envelope-missing",
            ) from None
        except OSError as error:
            raise Unavailable(f"the stored envelope {name} cannot be read: {error.strerror}") from error


def _write_file(path: Path, header: EnvelopeHeader, documents: Sequence[tuple[NewDocument, int]]) -> list[int]:
    offsets, all_checksums = [], hashlib.blake2b(digest_size=form.END_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(form.MAGIC)
        all_checksums.update(form.write_frame(file, form.HEADER, asdict(header), b""))
        for document, generation in documents:
            offsets.append(file.tell())
            meta = form.document_meta(header.collection_id, document, generation)
            all_checksums.update(form.write_frame(file, form.DOCUMENT, meta, document.body))
        form.write_frame(file, form.END, {"documents": len(offsets)}, all_checksums.digest())
        file.flush()
        os.fsync(file.fileno())
    return offsets


def _created_us(path: Path) -> int:
    found = _NAME.fullmatch(path.stem)
    return int(found.group(1)) if found else 1 << 62


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_error(error: OSError, folder: Path) -> NearfieldError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            f"no room left in {folder}: nothing was accepted. Free some space on that disk and send this again",
            retry_after_s=30,
        )
    return Unavailable(
        f"the folder {folder} cannot be written ({error.strerror}): nothing was accepted. Check its owner and mode",
        code="storage-unavailable",
        retry_after_s=30,
    )
