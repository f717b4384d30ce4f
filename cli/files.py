"""Which files a path stands for, and under which names they are known to the product."""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.extract.registry import is_readable
from services.ingest.extract.types import words
from services.ingest.kinds.sniff import sniff

SLICE_FILES = 100
SLICE_BYTES = 8 * 1024 * 1024
FIRST_SLICE_FILES = 32  # a request of up to 32 documents and 1 MiB overtakes bulk work: something to search at once
FIRST_SLICE_BYTES = 1024 * 1024
_READ_BY_NAME = frozenset(words("pdf docx pptx xlsx xls odt ods odp rtf epub msg eml zip"))
_WHAT_IS_READ = ". Read are "  # begins the list of all formats in a refusal, too long to stand behind every file


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to add. ``name`` is what its document id is made from: folder name and relative path, with "/".

    ``media_type`` is what it is said to be, "" for nothing: it counts where the content says nothing.
    """

    path: Path
    name: str
    size_bytes: int
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was passed over, and why. ``refused``: the server did not want it, which is a failure."""

    path: str
    reason: str
    refused: bool = False


def find_files(
    paths: Sequence[Path], prefix: str | None, media_type: str = "", *, media: bool = False
) -> Iterator[FoundFile | Skipped]:
    """The files of all paths in a fixed order; what is passed over is told.

    A file given by itself is named by its own name, a file of a folder by the folder's name and its path in there, so
    that the same folder added again means the same documents, from wherever the command is called.

    Args:
        prefix: taken instead of the folder's own name ("" for none); put before a single file's name.
        media_type: what all of them are, in place of what their names say; for readers that are plug-ins.
        media: whether pictures and sounds are added too.

    Raises:
        InvalidInput: two different files would get one name, and so overwrite each other.
    """
    named: dict[str, Path] = {}
    for path in paths:
        for found in _in_path(path, prefix, media_type, media):
            if isinstance(found, FoundFile):
                real = found.path.resolve()
                if named.setdefault(found.name, real) != real:
                    raise InvalidInput(
                        f"{found.path} and {named[found.name]} would both be named {found.name!r} and overwrite each "
                        "other; add them in two calls with different --prefix",
                        code="same-name-twice",
                    )
            yield found


def _in_path(path: Path, prefix: str | None, media_type: str, media: bool) -> Iterator[FoundFile | Skipped]:
    if path.is_dir():
        root = path.resolve().name if prefix is None else prefix.strip("/")
        yield from _in_folder(path, f"{root}/" if root else "", media_type, media)
    else:
        before = f"{prefix.strip('/')}/" if prefix and prefix.strip("/") else ""
        yield _looked_at(path, before + path.resolve().name, media_type, media)


def _in_folder(folder: Path, prefix: str, media_type: str, media: bool) -> Iterator[FoundFile | Skipped]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Skipped(str(folder), f"cannot be read: {error.strerror}", refused=True)
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            yield Skipped(entry.path, "hidden")
        elif entry.is_symlink() and path.is_dir():
            yield Skipped(entry.path, "a link to a folder")
        elif entry.is_dir():
            yield from _in_folder(path, f"{prefix}{entry.name}/", media_type, media)
        else:
            yield _looked_at(path, prefix + entry.name, media_type, media)


def _looked_at(path: Path, name: str, media_type: str, media: bool) -> FoundFile | Skipped:
    """What the server does not read is passed over; what it would read but for some damage or false name is refused.

    A media type given for it that is not known here is left to the server to judge: it may have further readers.
    """
    claimed = media_type or mimetypes.guess_type(name)[0] or ""
    try:
        name.encode("utf-8")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Skipped(str(path), "not a plain file")
        with path.open("rb") as file:
            if not media_type or is_readable(media_type):
                sniff(file, name, claimed, media=media)
    except UnicodeEncodeError:
        return Skipped(repr(str(path)), "its name is not UTF-8: rename it", refused=True)
    except OSError as error:
        return Skipped(str(path), f"cannot be read: {error.strerror}", refused=True)
    except UnsupportedMedia as error:
        promised = name.rpartition(".")[2].lower() in _READ_BY_NAME
        return Skipped(str(path), error.message.partition(_WHAT_IS_READ)[0], refused=promised)
    except InvalidInput as error:
        return Skipped(str(path), error.message, refused=error.code != "empty-file")
    return FoundFile(path, name, status.st_size, claimed)


def slices(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    """Cuts files into requests: a small first one, then by count and bytes. A large file travels alone."""
    taken: list[FoundFile] = []
    size = 0
    limit_files, limit_bytes = FIRST_SLICE_FILES, FIRST_SLICE_BYTES
    for file in files:
        if taken and (len(taken) >= limit_files or size + file.size_bytes > limit_bytes):
            yield taken
            taken, size = [], 0
            limit_files, limit_bytes = SLICE_FILES, SLICE_BYTES
        taken.append(file)
        size += file.size_bytes
    if taken:
        yield taken
