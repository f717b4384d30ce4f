"""ZIP containers from strangers: DOCX, PPTX, XLSX, ODF and EPUB files and plain archives are all read through here.

What can be refused is refused from the directory, before a byte is inflated: too many entries, too much declared text,
a ratio no document has (deflate reaches 1032:1, documents 3:1 to 30:1), overlapping members (42.zip's successors),
encryption, names that lead elsewhere. The directory may lie: ``GuardedZip.read`` unpacks no more than it
declares and compares. Nothing is ever written to disk.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO
from zipfile import _EndRecData  # type: ignore[attr-defined]  # the very record ZipFile will believe, before it does

from services.errors import InvalidInput

_LOCAL_HEADER_BYTES = 30
_UNIX = 3
_FLAG_ENCRYPTED = 0x1 | 0x40 | 0x2000
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DIRECTORY_ENTRIES = 4
_DIRECTORY_BYTES = 5
_LIBRARY_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, ValueError, OverflowError, NotImplementedError, RuntimeError, OSError,
    EOFError, LookupError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """What a container may hold.

    ``ratio`` (inflated to compressed) counts for members of more than ``ratio_from_bytes``: for all of them together in
    the directory, and for each one that is read.
    """

    entries: int = 2_000
    total_bytes: int = 200 * 1024 * 1024
    ratio: int = 100
    ratio_from_bytes: int = 1024 * 1024
    directory_bytes_per_entry: int = 512


class GuardedZip:
    """A container whose directory was found harmless. ``names`` are its files in the directory's order, no folders."""

    def __init__(self, archive: zipfile.ZipFile, limits: ZipLimits) -> None:
        self._archive = archive
        self._limits = limits
        self._members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        self.names = tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """The size in bytes that the directory declares; ``read`` never gives more. An unknown name has none: 0."""
        return self._members[name].file_size if name in self._members else 0

    def read(self, name: str) -> bytes:
        """The content of one member.

        Raises:
            InvalidInput: no such member, damaged or cut off, an unusual compression (``damaged-file``), or more than
                the limits allow (``zip-bomb``).
        """
        info = self._members.get(name)
        if info is None:
            raise damaged(f"there is no {name[:200]!r} in it")
        if info.compress_type not in _READABLE:
            raise damaged(
                f"{name[:200]!r} uses compression method {info.compress_type}; stored and deflated members are read"
            )
        _check_ratio([info], self._limits)
        try:
            with self._archive.open(info) as member:
                # Never more than declared, whatever the compressed data would make: the rest stays packed.
                content = member.read(info.file_size)
        except _LIBRARY_ERRORS as error:
            raise damaged(f"{name[:200]!r} cannot be unpacked ({_reason(error)})") from error
        if len(content) != info.file_size:
            raise damaged(f"{name[:200]!r} holds {len(content):,} bytes, its directory says {info.file_size:,}")
        return content


def open_zip(body: bytes | BinaryIO, *, limits: ZipLimits | None = None) -> GuardedZip:
    """Reads and checks the directory of a ZIP container.

    Args:
        body: the whole container; a file must be seekable and stay open while the result is used.
        limits: what it may hold.

    Raises:
        InvalidInput: ``damaged-file``, ``zip-bomb`` or ``encrypted``, saying why.
    """
    limits = limits or ZipLimits()
    file = io.BytesIO(body) if isinstance(body, bytes) else body
    try:
        _check_directory_size(file, limits)
        archive = zipfile.ZipFile(file)
    except _LIBRARY_ERRORS as error:
        raise damaged(f"its directory cannot be read ({_reason(error)}); it may be cut off") from error
    members = archive.infolist()
    if len(members) > limits.entries:
        raise bomb(f"it holds {len(members):,} entries; {limits.entries:,} are allowed")
    _check_names(members)
    _check_sizes(members, archive.start_dir, limits)
    return GuardedZip(archive, limits)


def damaged(reason: str) -> InvalidInput:
    """The error of a container that is broken, with ``reason`` as the end of the sentence."""
    return InvalidInput(f"the file is a ZIP container that is damaged: {reason}", code="damaged-file")


def bomb(reason: str) -> InvalidInput:
    """The error of a container that would unpack to more than is allowed."""
    return InvalidInput(f"the file is a ZIP container that was refused: {reason}", code="zip-bomb")


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]


def _check_directory_size(file: BinaryIO, limits: ZipLimits) -> None:
    """ZipFile makes an object of every entry while it opens: five million of them must be refused before that."""
    end = _EndRecData(file)
    if not end:
        raise zipfile.BadZipFile("no directory at its end")
    entries, directory_bytes = end[_DIRECTORY_ENTRIES], end[_DIRECTORY_BYTES]
    if entries > limits.entries:
        raise bomb(f"it holds {entries:,} entries; {limits.entries:,} are allowed")
    if directory_bytes > limits.entries * limits.directory_bytes_per_entry:
        raise bomb(f"its directory of {directory_bytes:,} bytes is too long for {limits.entries:,} entries")


def _check_names(members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in members:
        name = info.orig_filename
        parts = name.replace("\\", "/").split("/")
        if not name or "\0" in name or parts[0] == "" or ".." in parts or parts[0].endswith(":"):
            raise damaged(f"the entry name {name[:200]!r} leads out of it; names must be relative and without '..'")
        if info.filename in seen:
            raise damaged(f"it holds {name[:200]!r} twice")
        seen.add(info.filename)
        if info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16):
            raise damaged(f"{name[:200]!r} is a symbolic link; links are not followed")
        if info.flag_bits & _FLAG_ENCRYPTED:
            raise InvalidInput(
                f"{name[:200]!r} is encrypted: a password is needed; save it without one and add it again",
                code="encrypted",
            )


def _check_sizes(members: list[zipfile.ZipInfo], directory_start: int, limits: ZipLimits) -> None:
    total = sum(info.file_size for info in members)
    if total > limits.total_bytes:
        raise bomb(f"it unpacks to {total:,} bytes; {limits.total_bytes:,} are allowed")
    _check_ratio(members, limits)
    ranges = sorted(
        (info.header_offset, info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size) for info in members
    )
    if ranges and (ranges[0][0] < 0 or max(end for _, end in ranges) > directory_start):
        raise damaged("an entry lies outside of it")
    if any(end > start for (_, end), (start, _) in pairwise(ranges)):
        raise bomb("entries overlap each other, as no program writes them")


def _check_ratio(members: list[zipfile.ZipInfo], limits: ZipLimits) -> None:
    large = [info for info in members if info.file_size > limits.ratio_from_bytes]
    unpacked, packed = sum(info.file_size for info in large), sum(info.compress_size for info in large)
    if unpacked > limits.ratio * packed:
        raise bomb(
            f"{large[0].filename[:200]!r} unpacks to {unpacked // max(packed, 1):,} times its size; "
            f"{limits.ratio} times is allowed"
        )
