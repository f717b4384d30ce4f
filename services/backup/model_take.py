"""Takes hold of the installed models of one moment: each is given second names, as envelopes are, or left out by name.

What loaders do not look at stays behind: hidden folders, models in the making, what a hub client keeps beside them. A
model that holds anything but plain files, a link for one, is left out, as nobody could say what it would be elsewhere.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.backup.model_names import (
    DEFAULT,
    MODELS,
    MOST_DEFAULT_BYTES,
    MOST_RECORD_BYTES,
    RECORD_SUFFIX,
    is_model_name,
    is_model_path,
)
from services.embedding.installing.default import read_choice
from services.embedding.installing.shelf import ModelShelf
from services.embedding.installing.verifying import verify_record
from services.errors import ModelError

Progress = Callable[[str, int, int], None]


class _StrangeError(Exception):
    """A model holds what a backup does not take."""


@dataclass(frozen=True, slots=True)
class TakenModels:
    """The models of one moment.

    Attributes:
        root: the folder in which each has its folder, to be read from.
        files: relative paths of its files, by the model's name.
        notes: records and the choice of the default, by the name of the member.
        left_out: names of the models that hold what a backup does not take.
        wanted: whether models were asked for at all.
    """

    root: Path
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    wanted: bool = True

    def members(self) -> Iterator[tuple[str, Path]]:
        """(name of the member, file) of every file of every model."""
        for name, paths in self.files.items():
            for path in paths:
                yield f"{MODELS}/{name}/{path}", self.root / name / path

    def damaged(self, progress: Progress) -> tuple[str, ...]:
        """Names of the models that are not what their records say; reads all of them."""
        found = []
        for position, name in enumerate(self.files):
            if not _as_recorded(self.root, name, f"{MODELS}/{name}{RECORD_SUFFIX}" in self.notes):
                found.append(name)
            progress("verified models", position + 1, len(self.files))
        return tuple(found)


NO_MODELS = TakenModels(Path(), wanted=False)


@dataclass(frozen=True, slots=True)
class HeldModels:
    """Models that nobody removes or replaces until ``release``; those with second names are safe after it too."""

    taken: TakenModels
    _lock: ExitStack
    _linked: bool

    def release(self) -> None:
        """Lets others install and remove again, unless the models must be read where they lie."""
        if self._linked:
            self._lock.close()


@contextmanager
def hold_models(folder: Path, staging: Path) -> Iterator[HeldModels]:
    """The installed models, held until ``release`` or, where a disk knows no links, until the end of the block.

    Args:
        folder: of installed models; it may be absent.
        staging: a folder for the second names, on the same file system; the caller removes it.

    Raises:
        StorageFull, Unavailable: the folder cannot be locked. OSError: it cannot be read.
    """
    with ExitStack() as lock:
        if not folder.is_dir():
            yield HeldModels(TakenModels(staging), lock, True)
            return
        lock.enter_context(ModelShelf(folder).held())
        staging.mkdir(parents=True, mode=0o700)
        files, notes, left_out = _look(folder)
        linked = _link(folder, staging, files, notes)
        taken = TakenModels(staging if linked else folder, files, notes, left_out)
        yield HeldModels(taken, lock, linked)


def _look(folder: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, bytes], tuple[str, ...]]:
    """Files and notes of each model that can be taken, and the names of those that cannot."""
    files: dict[str, tuple[str, ...]] = {}
    notes: dict[str, bytes] = {}
    left_out = []
    for name in sorted(entry.name for entry in folder.iterdir() if is_model_name(entry.name)):
        if not (folder / name).is_dir():
            continue
        try:
            found = tuple(sorted(_walk(folder / name)))
            record = _note(folder / f"{name}{RECORD_SUFFIX}", MOST_RECORD_BYTES)
        except (_StrangeError, OSError):
            left_out.append(name)
            continue
        files[name] = found
        if record is not None:
            notes[f"{MODELS}/{name}{RECORD_SUFFIX}"] = record
    if choice := read_choice(folder):
        encoded = json.dumps({"model": choice}).encode("ascii")
        if len(encoded) <= MOST_DEFAULT_BYTES:
            notes[DEFAULT] = encoded
    return files, notes, tuple(left_out)


def _walk(folder: Path) -> Iterator[str]:
    """Relative paths of a model's files. Raises _StrangeError for what is none, and for a model without any."""
    if folder.is_symlink():
        raise _StrangeError
    found = False
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in (*folders, *names):
            mode = Path(parent, name).lstat().st_mode
            if not (stat.S_ISDIR(mode) if name in folders else stat.S_ISREG(mode)):
                raise _StrangeError
        for name in names:
            path = Path(parent, name).relative_to(folder).as_posix()
            if not is_model_path(path):
                raise _StrangeError
            found = True
            yield path
    if not found:
        raise _StrangeError


def _note(path: Path, most: int) -> bytes | None:
    """A small file beside the models; None when there is none."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        raise _StrangeError
    return path.read_bytes()


def _link(folder: Path, staging: Path, files: Mapping[str, tuple[str, ...]], notes: Mapping[str, bytes]) -> bool:
    """Gives every file a second name, records included; False where the disk knows no links."""
    try:
        for name, paths in files.items():
            for path in paths:
                target = staging / name / path
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.link(folder / name / path, target, follow_symlinks=False)
        for name in (Path(member).name for member in notes if member != DEFAULT):
            os.link(folder / name, staging / name, follow_symlinks=False)
    except OSError:
        return False
    return True


def _as_recorded(root: Path, name: str, recorded: bool) -> bool:
    """Whether a model is what its record says; one without a record, put there by hand, promised nothing."""
    if not recorded:
        return True
    try:
        record = ModelShelf(root).record(name)
    except ModelError:
        return False
    return record is not None and verify_record(root, name, record).ok
