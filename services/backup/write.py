"""Writes a backup: one tar file, compressed on the way, under another name until it is whole and on disk."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import secrets
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from services.backup.capture import Captured
from services.backup.manifest import FORMAT, HEADER, LEDGER_KEYS, MANIFEST, MARKS, Header, Member, encode_manifest
from services.backup.model_take import NO_MODELS, TakenModels
from services.collections.durable import describe
from services.errors import Conflict, NearfieldError, StorageFull
from services.recovery.envelopes import envelope_path, scan
from services.recovery.marks import encode_marks

LEVEL = 1
"""Of gzip: text shrinks to half at 100 MB/s on one core; more effort saves little and takes five times as long."""
Progress = Callable[[str, int, int], None]


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.sha256.update(block)
        return block


class _Archive:
    """A tar file being written, which remembers what its members were."""

    def __init__(self, file: BinaryIO, moment_s: int) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed in close()
        self._moment_s = moment_s
        self.members: dict[str, Member] = {}

    def add(self, name: str, file: BinaryIO, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, self._moment_s, 0o600
        reader = _Hashed(file)
        self._tar.addfile(info, reader)
        self.members[name] = Member(size, reader.sha256.hexdigest())

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, io.BytesIO(data), len(data))

    def close(self) -> None:
        self._tar.close()


def write_backup(
    target: Path,
    captured: Captured,
    *,
    ledger_keys: Iterable[bytes],
    product: str,
    data_version: int,
    models: TakenModels = NO_MODELS,
    replace: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> Header:
    """Writes what was captured into ``target``; it is there, whole and on disk, when this returns, or not at all.

    Every envelope is verified first. One that is missing or damaged is named in the header; what is damaged is taken
    along as it is, because parts of it may be of use. The same holds for models and their records.

    Args:
        ledger_keys: lines of ``export_keys``.
        models: installed models, held until this returns.
        replace: whether a file that is there already may be replaced.

    Raises:
        Conflict: the file exists (code "backup-exists").
        StorageFull: no room; nothing is left behind. NearfieldError: it cannot be written.
    """
    if target.exists() and not replace:
        raise Conflict(
            f"{target} exists already; choose another name, or say --replace to have it replaced", code="backup-exists"
        )
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=LEVEL, mtime=0) as packed:
                    header = _write(packed, captured, models, ledger_keys, product, data_version, progress)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            _fsync_folder(target.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _trouble(error, target) from error
    return header


def _write(
    file: gzip.GzipFile,
    captured: Captured,
    models: TakenModels,
    ledger_keys: Iterable[bytes],
    product: str,
    data_version: int,
    progress: Progress,
) -> Header:
    small = {f"collections/{one.id}.json": describe(one) for one in captured.collections}
    small[MARKS] = encode_marks(captured.marks)
    small[LEDGER_KEYS] = b"".join(ledger_keys)
    small |= models.notes
    documents, size, damaged = _verify(captured, progress)
    header = Header(
        format=FORMAT,
        product=product,
        data_version=data_version,
        moment_us=captured.moment_us,
        instance=captured.instance,
        jobs=captured.jobs,
        collections=len(captured.collections),
        envelopes=len(captured.envelopes),
        documents=documents,
        size=size + sum(map(len, small.values())) + sum(path.stat().st_size for _, path in models.members()),
        missing=captured.missing,
        damaged=damaged,
        models=len(models.files),
        without_models=not models.wanted,
        models_damaged=models.damaged(progress),
        models_left_out=models.left_out,
    )
    archive = _Archive(file, captured.moment_us // 1_000_000)  # type: ignore[arg-type]  # it writes, that is enough
    archive.add_bytes(HEADER, header.encode())
    for name, data in small.items():
        archive.add_bytes(name, data)
    members = [
        (f"accepted/{name[-2:]}/{name}.nfe", envelope_path(captured.folder, name)) for name in captured.envelopes
    ]
    members += models.members()
    for position, (member, path) in enumerate(members):
        captured.pin.renew()
        with path.open("rb") as source:
            archive.add(member, source, os.fstat(source.fileno()).st_size)
        progress("copied", position + 1, len(members))
    archive.add_bytes(MANIFEST, encode_manifest(archive.members))
    archive.close()
    return header


def _verify(captured: Captured, progress: Progress) -> tuple[int, int, tuple[str, ...]]:
    """Documents, bytes and names of damaged envelopes; reading them warms the cache for the copy that follows."""
    documents = size = 0
    damaged: list[str] = []
    for position, name in enumerate(captured.envelopes):
        captured.pin.renew()
        found = scan(captured.folder, name)
        documents += len(found.documents)
        size += envelope_path(captured.folder, name).stat().st_size
        if found.trouble:
            damaged.append(name)
        progress("verified", position + 1, len(captured.envelopes))
    return documents, size, tuple(damaged)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trouble(error: OSError, target: Path) -> NearfieldError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"no room left for {target}: nothing was written. Free some space, or choose another place")
    return NearfieldError(
        f"{target} cannot be written ({error.strerror or error}): nothing was written. Choose another place",
        code="backup-not-written",
    )
