"""The folder of installed models: a folder and a record for each; what is in the making begins with a dot.

The record is written before the folder gets its name and taken away after it: a folder with a proper name is whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.embedding.installing.record import ModelRecord, read_record, record_bytes
from services.errors import Conflict, ModelError, NotFound, StorageFull, Unavailable
from services.ids import new_token

_IN_THE_MAKING = ".new-"
_ON_THE_WAY_OUT = ".gone-"
_LITTER_AGE_S = 86_400


class ModelShelf:
    """Puts models into a folder and takes them out, whole or not at all. The folder is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether there is a model of that name."""
        return (self.folder / name).is_dir()

    def recorded(self) -> list[str]:
        """Names of the models that were installed here and still have a folder, whatever is left in it."""
        names = (path.stem for path in self.folder.glob("*.json") if not path.name.startswith("."))
        return sorted(name for name in names if self.has(name))

    def record(self, name: str) -> ModelRecord | None:
        """A model's record; None for one that somebody put there by hand. Raises ModelError: it is damaged."""
        return read_record(self._record(name))

    @contextmanager
    def in_the_making(self) -> Iterator[Path]:
        """An empty folder on the same disk; whatever is left of it is removed at the end.

        Raises:
            StorageFull: the disk is full. Unavailable: the folder cannot be written.
        """
        with _storage(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._clear_litter()
            made = self.folder / f"{_IN_THE_MAKING}{new_token()[:12]}"
            made.mkdir(mode=0o700)
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def put(self, made: Path, name: str, record: ModelRecord, *, replace: bool, ours: str = "") -> None:
        """Gives a finished folder its name.

        Args:
            made: the folder, its files synced.
            replace: a model of that name goes; otherwise it is kept, and this is an error.
            ours: the id of a training: a model that it has put there already is left alone, silently.

        Raises:
            Conflict: code "model-exists". StorageFull, Unavailable: as ``in_the_making``.
        """
        with _storage(self.folder), self._locked():
            if self.has(name):
                if ours and self._trained_by(name) == ours:
                    return
                if not replace:
                    raise Conflict(
                        f"there is a model {name!r} already; choose another name, or replace it",
                        code="model-exists",
                        pointer="/name",
                    )
                self._take(name)
            sync_folder(made)
            temporary = self.folder / f"{_IN_THE_MAKING}{new_token()[:12]}.record"
            write_synced(temporary, record_bytes(record))
            temporary.replace(self._record(name))
            made.rename(self.folder / name)
            sync_folder(self.folder)

    def remove(self, name: str, check: Callable[[], None]) -> None:
        """Takes a model away, unless ``check`` raises: it is asked before, and again once nobody can find the model.

        Raises:
            NotFound: code "unknown-model", no model of that name is installed; whatever ``check`` raises.
        """
        with _storage(self.folder), self._locked():
            if not self.has(name):
                raise NotFound(
                    f"no model named {name[:80]!r} is installed; `nearfield models list` shows those that are",
                    code="unknown-model",
                    pointer="/model",
                )
            check()
            gone = self._aside(name)
            try:
                check()
            except Exception:
                gone.rename(self.folder / name)
                raise
            self._record(name).unlink(missing_ok=True)
            sync_folder(self.folder)
            shutil.rmtree(gone, ignore_errors=True)

    def _take(self, name: str) -> None:
        gone = self._aside(name)
        shutil.rmtree(gone, ignore_errors=True)

    def _aside(self, name: str) -> Path:
        gone = self.folder / f"{_ON_THE_WAY_OUT}{new_token()[:12]}"
        (self.folder / name).rename(gone)
        return gone

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _trained_by(self, name: str) -> str:
        try:
            record = self.record(name)
        except ModelError:
            return ""
        return record.training.id if record is not None and record.training is not None else ""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody installs or removes a model during the block. Raises StorageFull or Unavailable: it cannot be held."""
        with ExitStack() as lock:
            with _storage(self.folder):
                lock.enter_context(self._locked())
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over processes; ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _clear_litter(self) -> None:
        """What a killed process left. A pull of a day's length is none."""
        for path in self.folder.glob(".*-*"):
            if path.name.startswith((_IN_THE_MAKING, _ON_THE_WAY_OUT)):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _LITTER_AGE_S:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_synced(path: Path, content: bytes) -> None:
    """Writes a small file and has it on the disk when it returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Has a folder's list of names, and those of the folders in it, on the disk when it returns."""
    for parent, _, _ in os.walk(folder) if folder.name.startswith(_IN_THE_MAKING) else [(str(folder), [], [])]:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _storage(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"no room left in {folder}: nothing was installed. Free some space on that disk and try again"
            ) from error
        raise Unavailable(
            f"the folder {folder} cannot be written ({error.strerror}): nothing was changed. Check its owner and mode",
            code="storage-unavailable",
        ) from error
