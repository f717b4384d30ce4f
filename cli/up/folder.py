"""The data folder of ``nearfield up``: its layout, its version stamp and its secret."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.errors import Conflict, NearfieldError, StorageFull

DATA_VERSION = 1
_OURS = {
    "VERSION",
    "lock",
    "run.json",
    "secret",
    "redis",
    "logs",
    "run",
    "accepted",
    "extracted",
    "demo.json",
    "collections",
    "incoming",
    "scratch",
    "marks.ndjson",
    "ledger-keys.ndjson",
    "backup-staging",
    "models",
    "model-cache",
}
_HARMLESS = {"lost+found"}


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths under one data folder."""

    root: Path

    @property
    def logs(self) -> Path:
        """One log file per child."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Files of the present run only: heartbeats, the port."""
        return self.root / "run"

    @property
    def run_file(self) -> Path:
        """Which instance runs here: see ``run_record.py``."""
        return self.root / "run.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor and its children for as long as one of them lives."""
        return self.root / "lock"

    @property
    def demo_marker(self) -> Path:
        """How far the demo is, so that a deleted demo stays deleted."""
        return self.root / "demo.json"

    def redis(self, name: str) -> Path:
        """Where one of the embedded servers keeps its data."""
        return self.root / "redis" / name

    def prepare(self) -> None:
        """Makes the folder (mode 0700), or checks that it is one of ours and not from a newer version.

        Raises:
            Conflict: another program's folder, or a newer Nearfield's.
            NearfieldError: the folder cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_stamp()
            for folder in (self.logs, self.run):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise folder_trouble(self.root, error) from error

    def _check_stamp(self) -> None:
        stamp = self.root / "VERSION"
        if not stamp.exists():
            strangers = sorted({entry.name for entry in self.root.iterdir()} - _OURS - _HARMLESS)
            if strangers:
                raise Conflict(
                    f"{self.root} is not empty and was not made by Nearfield (it holds {strangers[0]!r}, for one). "
                    "Choose an empty or a new folder with --data-dir",
                    code="foreign-data-folder",
                )
            write_atomically(stamp, f"{DATA_VERSION}\n")
            return
        found = stamp.read_text("utf-8", "replace").strip()
        if not found.isdigit():
            raise Conflict(
                f"{stamp} holds {found[:40]!r} where a number is expected: restore it, or choose another --data-dir",
                code="foreign-data-folder",
            )
        if int(found) > DATA_VERSION:
            raise Conflict(
                f"{self.root} was written by a newer Nearfield (data version {found}; this one reads up to "
                f"{DATA_VERSION}). Start it with that version, or choose another --data-dir",
                code="newer-data-folder",
            )

    def password(self) -> str:
        """The password of the embedded servers: made once, kept in a file of mode 0600 so that restarts keep it."""
        path = self.root / "secret"
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(32) + "\n")
        path.chmod(0o600)
        return path.read_text("ascii").strip()


def write_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Replaces a small file (mode 0600) so that a reader sees the old or the new content, never half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def folder_trouble(root: Path, error: OSError) -> NearfieldError:
    """The message for a data folder that cannot be used."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no space left for the data folder {root}: free some, or choose another --data-dir")
    return NearfieldError(
        f"cannot use the data folder {root}: {error.strerror or error}. Give one you may write with --data-dir",
        code="data-folder",
    )
