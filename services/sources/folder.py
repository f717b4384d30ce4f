"""Looking through a folder without ever leaving it: every step is opened below the one before, links are not followed.

So neither a link in the folder nor one that is put there between look and read leads anywhere else.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from services.errors import SourceError
from services.sources.globs import wanted

MAX_FILES = 50_000  # what is known of each is held in memory, about 0.5 KB
MAX_DEPTH = 64
SETTLE_NS = 1_000_000_000
BLOCK_BYTES = 1024 * 1024
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe put there must not hold us
_IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "lost+found", "venv", "CVS"})
_IGNORED_ENDINGS = ("~", ".swp", ".swx", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".bak", ".lock")
_IGNORED_STARTS = (".", "~$", "#")
_IGNORED_NAMES = frozenset({"Thumbs.db", "desktop.ini", "Icon\r"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as a look found it."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @property
    def mark(self) -> str:
        """What is compared at the next look."""
        return f"{self.size_bytes}:{self.mtime_ns}:{self.inode}"


@dataclass(slots=True)
class Look:
    """What a look through a folder found.

    ``files`` by relative path, "/" between steps, as the file system's bytes. ``unread`` are folders (with "/" at the
    end) and files that could not be looked at, with the reason: what is known below them is not missing. ``root`` is
    the folder's identity. ``too_many``: there are more files than are followed.
    """

    root: str
    files: dict[bytes, Seen] = field(default_factory=dict)
    unread: dict[bytes, str] = field(default_factory=dict)
    too_many: bool = False

    def hides(self, path: bytes) -> bool:
        """Whether a known file may be there although it was not seen."""
        return self.too_many or any(
            path == part or (part.endswith(b"/") and path.startswith(part)) for part in self.unread
        )


class FileChanged(Exception):
    """A file was written to while it was read, or is gone."""


@contextmanager
def opened_folder(location: str, roots: Sequence[str]) -> Iterator[int]:
    """A descriptor of a followed folder.

    Args:
        location: absolute path.
        roots: folders that may be followed, with all that is below them.

    Raises:
        SourceError: it is not below one of the roots (code ``folder-not-allowed``), is not there, or cannot be opened.
    """
    root = root_of(location, roots)
    descriptor = -1
    try:
        try:
            descriptor = os.open(os.path.realpath(root), _FOLDER_FLAGS)
            for step in Path(os.path.normpath(location)).relative_to(root).parts:
                descriptor = _replaced(descriptor, os.open(step, _FOLDER_FLAGS, dir_fd=descriptor))
        except OSError as error:
            raise SourceError(
                f"the folder {location} cannot be read ({error.strerror}); is it mounted, and may this process read "
                "it? Nothing that came from it is removed",
                code="folder-unreadable",
            ) from None
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def root_of(location: str, roots: Sequence[str]) -> str:
    """The allowed folder that ``location`` lies in, by its spelling alone.

    Raises:
        SourceError: there is none.
    """
    path = Path(os.path.normpath(location))
    for root in roots:
        if path.is_absolute() and path.is_relative_to(os.path.normpath(root)):
            return os.path.normpath(root)
    allowed = f"allowed are {', '.join(roots)}" if roots else "no folder is allowed yet"
    raise SourceError(
        f"the folder {location!r} may not be followed: {allowed}, and that is said anew at every start. Start with "
        "`nearfield up --watch FOLDER` (again, if it was followed before the last start) or set "
        "NEARFIELD_SOURCE_FOLDERS; what came from it stays meanwhile",
        code="folder-not-allowed",
    )


def folder_roots(setting: str) -> tuple[str, ...]:
    """The folders that the setting NEARFIELD_SOURCE_FOLDERS allows, as absolute paths."""
    return tuple(str(Path(part).expanduser().absolute()) for part in setting.split(os.pathsep) if part.strip())


def look_through(
    folder: int, include: Sequence[str], exclude: Sequence[str], *, passed_over: tuple[int, int] | None = None
) -> Look:
    """Everything in an opened folder that is to be taken: plain files, none hidden, temporary or of version control.

    Args:
        folder: descriptor.
        include, exclude: patterns for relative paths.
        passed_over: device and inode of a folder that is never looked into (our own data folder).
    """
    status = os.fstat(folder)
    look = Look(f"{status.st_dev}:{status.st_ino}")
    waiting: list[tuple[bytes, int]] = [(b"", 0)]
    while waiting:
        prefix, depth = waiting.pop()
        try:
            descriptor = _open_below(folder, prefix)
        except FileNotFoundError:
            continue
        except OSError as error:
            look.unread[prefix] = error.strerror or "cannot be opened"
            continue
        try:
            _look_into(descriptor, prefix, depth, look, waiting, passed_over)
        finally:
            os.close(descriptor)
    look.files = {path: seen for path, seen in look.files.items() if wanted(os.fsdecode(path), include, exclude)}
    return look


def _look_into(
    descriptor: int,
    prefix: bytes,
    depth: int,
    look: Look,
    waiting: list[tuple[bytes, int]],
    passed_over: tuple[int, int] | None,
) -> None:
    try:
        with os.scandir(descriptor) as entries:
            names = sorted(os.fsencode(entry.name) for entry in entries)
    except OSError as error:
        if not prefix:
            raise SourceError(f"the folder cannot be read ({error.strerror})", code="folder-unreadable") from None
        look.unread[prefix] = error.strerror or "cannot be read"
        return
    for name in names:
        if ignored(os.fsdecode(name)):
            continue
        path = prefix + name
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            look.unread[path] = error.strerror or "cannot be looked at"
            continue
        if stat.S_ISDIR(status.st_mode):
            own = (status.st_dev, status.st_ino) == passed_over or os.fsdecode(name) in _IGNORED_FOLDERS
            if not own and depth < MAX_DEPTH:
                waiting.append((path + b"/", depth + 1))
        elif stat.S_ISREG(status.st_mode):
            if len(look.files) >= MAX_FILES:
                look.too_many = True
                return
            look.files[path] = Seen(status.st_size, status.st_mtime_ns, status.st_ino)


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over: hidden, temporary, an editor's or a system's."""
    return name.startswith(_IGNORED_STARTS) or name.lower().endswith(_IGNORED_ENDINGS) or name in _IGNORED_NAMES


def _open_below(folder: int, path: bytes) -> int:
    """A descriptor of a folder below ``folder``, step by step, no links followed. Raises OSError."""
    descriptor = os.open(b".", _FOLDER_FLAGS, dir_fd=folder)
    try:
        for step in path.rstrip(b"/").split(b"/") if path else ():
            descriptor = _replaced(descriptor, os.open(step, _FOLDER_FLAGS, dir_fd=descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def copy_file(folder: int, path: bytes, seen: Seen, target: BinaryIO, limit_bytes: int) -> str:
    """Copies a file that a look has seen; returns the SHA-256 of what was copied.

    Args:
        folder: descriptor of the followed folder.
        path: relative path.
        seen: what the look saw; the file must still be that when the copy is done.
        target: where to, at its present place.
        limit_bytes: more is not copied.

    Raises:
        FileChanged: it was written to meanwhile, replaced or removed.
        SourceError: larger than the limit (code ``too-large``), or it cannot be read.
    """
    if seen.size_bytes > limit_bytes:
        raise SourceError(
            f"the file has {seen.size_bytes:,} bytes; at most {limit_bytes:,} are taken (NEARFIELD_MAX_BODY_BYTES)",
            code="too-large",
        )
    head, _, name = path.rpartition(b"/")
    try:
        parent = _open_below(folder, head)
        try:
            descriptor = os.open(name, _FILE_FLAGS, dir_fd=parent)
        finally:
            os.close(parent)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            return _copied(file, seen, target)
    except FileNotFoundError:
        raise FileChanged from None
    except OSError as error:
        raise SourceError(f"the file cannot be read ({error.strerror})", code="file-unreadable") from None


def _copied(file: BinaryIO, seen: Seen, target: BinaryIO) -> str:
    digest, size = hashlib.sha256(), 0
    if not _is_still(file, seen):
        raise FileChanged
    while block := file.read(BLOCK_BYTES):
        size += len(block)
        if size > seen.size_bytes:
            raise FileChanged
        digest.update(block)
        target.write(block)
    if size != seen.size_bytes or not _is_still(file, seen):
        raise FileChanged
    return digest.hexdigest()


def _is_still(file: BinaryIO, seen: Seen) -> bool:
    status = os.fstat(file.fileno())
    return stat.S_ISREG(status.st_mode) and Seen(status.st_size, status.st_mtime_ns, status.st_ino) == seen
