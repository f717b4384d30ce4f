"""Unpacks a backup into a folder of its own and verifies all of it, before anything of it counts."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from services.backup.manifest import (
    HEADER,
    MANIFEST,
    Header,
    Member,
    damaged_backup,
    decode_header,
    decode_manifest,
    is_member_name,
    not_a_backup,
)
from services.backup.model_names import is_model_member
from services.errors import NearfieldError, StorageFull

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1024 * 1024
MOST_SMALL = 1 << 30
MOST_HEADER = 64 << 20
MOST_EXTENDED = 64 * 1024
_IN_MEMORY = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
SPARE_BYTES = 64 * 1024 * 1024
Progress = Callable[[str, int, int], None]


def read_header(file: Path) -> Header:
    """What a backup says of itself, without unpacking it.

    Raises:
        InvalidInput: code "not-a-backup" or "newer-backup". NearfieldError: the file cannot be read.
    """
    with _opened(file) as tar:
        return _header(tar)


def unpack(file: Path, into: Path, progress: Progress = lambda _what, _done, _total: None) -> Header:
    """Unpacks into a new folder and compares every byte with the manifest.

    Raises:
        InvalidInput: code "not-a-backup", "newer-backup" or "damaged-backup"; what was unpacked is of no use.
        StorageFull: no room for it. NearfieldError: the file cannot be read.
    """
    with _opened(file, whole=True) as tar:
        header = _header(tar)
        into.mkdir(mode=0o700)
        if shutil.disk_usage(into).free < header.size + SPARE_BYTES:
            raise StorageFull(
                f"the backup holds {header.size:,} bytes and there is less room in {into.parent}: nothing was restored"
            )
        found: dict[str, Member] = {HEADER: _member_of(header.encode())}
        said: dict[str, Member] | None = None
        done = 0
        while (info := tar.next()) is not None:
            if said is not None:
                raise damaged_backup("something follows its end")
            if not info.isreg() or not is_member_name(info.name) or info.name in found:
                raise damaged_backup(f"it holds {info.name[:100]!r}, which no backup does")
            if info.name == MANIFEST:
                said = decode_manifest(_small(tar, info))
                continue
            if header.without_models and is_model_member(info.name):
                raise damaged_backup("it holds a model, and says that it has none")
            if info.size > header.size - done:
                raise damaged_backup("it holds more than it says")
            found[info.name] = _write_out(tar, info, into)
            done += info.size
            progress("unpacked", done, header.size)
    if said is None:
        raise damaged_backup("its end is missing")
    _compare(found, said)
    return header


def _compare(found: dict[str, Member], said: dict[str, Member]) -> None:
    for name in sorted(said.keys() | found.keys()):
        if name not in found:
            raise damaged_backup(f"{name} is missing")
        if found[name] != said.get(name):
            raise damaged_backup(f"{name} is not what was written")


class _Info(tarfile.TarInfo):
    """A member's header. What tarfile would read into memory by itself, a long name for one, may not be long."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Info:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _IN_MEMORY and not 0 <= info.size <= MOST_EXTENDED:
            raise damaged_backup(f"it holds a name or an attribute of {info.size:,} bytes")
        if info.type == tarfile.GNUTYPE_SPARSE or info.size < 0:
            raise damaged_backup("it holds a file with holes, which no backup does")
        return info

    def _proc_gnusparse_10(self, *_: object) -> None:  # the table of holes has no bound but the file's end
        raise damaged_backup("it holds a file with holes, which no backup does")


@contextmanager
def _opened(path: Path, *, whole: bool = False) -> Iterator[tarfile.TarFile]:
    """The archive as a stream; everything that reading it may raise becomes one of the product's errors.

    ``whole``: what follows the archive's end, the checksum of the compression included, is read too.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            file = cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")) if packed else cast(BinaryIO, raw)
            with tarfile.open(fileobj=file, mode="r|", tarinfo=_Info) as tar:
                yield tar
            while whole and file.read(BLOCK_BYTES):
                pass
    except tarfile.ReadError as error:
        strange = any(words in str(error) for words in ("not a", "empty", "invalid header", "could not be opened"))
        raise (not_a_backup if strange else damaged_backup)(str(error)) from error
    except (ValueError, OverflowError, RecursionError) as error:  # numbers of a tar header, a chain of them
        raise damaged_backup(f"it cannot be read ({type(error).__name__})") from error
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise damaged_backup(f"it cannot be read to its end ({error})") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no room left for what the backup holds: nothing was restored") from error
        shown = f"{error.filename or path}: {error.strerror or error}"
        raise NearfieldError(f"{shown}. Nothing was restored", code="backup-not-readable") from error


def _header(tar: tarfile.TarFile) -> Header:
    first = tar.next()
    if first is None or first.name != HEADER or not first.isreg() or first.size > MOST_HEADER:
        raise not_a_backup("it does not begin as one")
    return decode_header(_small(tar, first))


def _small(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """A member that is kept in memory."""
    source = tar.extractfile(info)
    if source is None or info.size > MOST_SMALL:
        raise damaged_backup(f"{info.name} is no plain file")
    data = source.read()
    if len(data) != info.size:
        raise damaged_backup("it ends in the middle")
    return data


def _write_out(tar: tarfile.TarFile, info: tarfile.TarInfo, into: Path) -> Member:
    source = tar.extractfile(info)
    if source is None:
        raise damaged_backup(f"{info.name} is no plain file")
    path = into / info.name
    sha256, left = hashlib.sha256(), info.size
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise damaged_backup(f"{info.name[:100]!r} is a file and a folder in it") from error
    with os.fdopen(descriptor, "wb") as file:
        while left and (block := source.read(min(left, BLOCK_BYTES))):
            sha256.update(block)
            file.write(block)
            left -= len(block)
    if left:
        raise damaged_backup("it ends in the middle")
    return Member(info.size, sha256.hexdigest())


def _member_of(data: bytes) -> Member:
    return Member(len(data), hashlib.sha256(data).hexdigest())
