"""Backup and restore on a data folder: which servers, which folders, in which order."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.offline import attached
from cli.rebuilding import KEYS_FILE, MARKS_FILE, LedgerMade, rebuild_ledger
from cli.up.embedded import LEDGER
from cli.up.folder import DATA_VERSION, DataFolder, write_atomically
from cli.up.run_record import try_lock
from services.errors import Conflict, NearfieldError
from services.ids import new_token
from services.settings import Settings

if TYPE_CHECKING:
    from services.backup.manifest import Header
    from services.backup.model_check import NeededModel
    from services.backup.model_take import HeldModels

MODELS = "models"
STAGING = "backup-staging"
UNPACKED = "restoring"
Told = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to: what the backup says, the ledger made from it, and models that are still to be had."""

    header: Header
    made: LedgerMade
    needed: tuple[NeededModel, ...] = ()


def make_backup(
    settings: Settings, target: Path, *, product: str, replace: bool, progress: Progress, models: bool = True
) -> Header:
    """Writes a backup of the instance on the settings' data folder, running or not; ``models``: installed ones too.

    Raises:
        Conflict: the file exists, lies in the data folder, or another backup is under way.
        NearfieldError: as ``attached`` and ``write_backup``.
    """
    from services.backup.capture import captured
    from services.backup.ledger_keys import export_keys
    from services.backup.write import write_backup

    folder = DataFolder(settings.data_dir.expanduser().absolute())
    target = target.expanduser().absolute()
    if target.is_relative_to(folder.root):
        raise Conflict(
            f"{target} lies in the data folder and would be lost with it; choose a place on another disk",
            code="backup-inside",
        )
    if target.exists() and not replace:
        raise Conflict(f"{target} exists already; choose another name, or say --replace", code="backup-exists")
    with ExitStack() as parts:
        place = parts.enter_context(attached(settings, servers=(LEDGER,)))
        staging = parts.enter_context(_staging(folder))
        services = place.services
        # Held until collections are taken hold of: a model that one of them needs is not removed in between.
        held = parts.enter_context(_held_models(folder, staging, wanted=models))
        with captured(services.ledger, services.envelopes.folder, staging) as found:
            held.release()
            return write_backup(
                target,
                found,
                ledger_keys=export_keys(services.ledger_client),
                product=product,
                data_version=DATA_VERSION,
                models=held.taken,
                replace=replace,
                progress=progress,
            )


def restore_backup(settings: Settings, source: Path, *, tell: Told, progress: Progress) -> Restored:
    """Puts a backup into the settings' data folder, which must be empty, and makes the ledger from it.

    Raises:
        Conflict: the folder is not empty, or given servers are not.
        InvalidInput: the file is no backup, of a newer version, or damaged.

    After any error the folder is as empty as before, so that it can be tried again.
    """
    from services.backup.model_check import check_models, models_needed
    from services.backup.read import read_header, unpack
    from services.collections.durable import CollectionFolder

    folder = DataFolder(settings.data_dir.expanduser().absolute())
    _check_version(read_header(source))
    _require_empty(folder.root)
    _require_empty_servers(settings)
    with _emptied_on_error(folder.root):
        unpacked = folder.root / UNPACKED
        header = unpack(source, unpacked, progress)
        _check_version(header)
        _check_notes(unpacked)
        check_models(unpacked, header)
        _put_in_place(folder, unpacked, header)
        made = rebuild_ledger(settings, tell, progress)
    collections = CollectionFolder(folder.root / "collections").read().collections
    return Restored(header, made, models_needed(collections, folder.root / MODELS))


def _held_models(folder: DataFolder, staging: Path, *, wanted: bool) -> AbstractContextManager[HeldModels]:
    """The installed models; none if they are not wanted."""
    from services.backup.model_take import NO_MODELS, HeldModels, hold_models

    if not wanted:
        return contextlib.nullcontext(HeldModels(NO_MODELS, ExitStack(), True))
    return hold_models(folder.root / MODELS, staging.with_name(f"{staging.name}-models"))


@contextmanager
def _staging(folder: DataFolder) -> Iterator[Path]:
    """A folder for one backup beside the envelopes; what earlier ones that were killed left in there goes."""
    base = folder.root / STAGING
    base.mkdir(exist_ok=True, mode=0o700)
    lock = try_lock(base / "lock")
    if lock is None:
        raise Conflict("another backup of this instance is under way; wait for it", code="backup-under-way")
    try:
        for entry in base.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
        yield base / new_token()
    finally:
        shutil.rmtree(base, ignore_errors=True)
        os.close(lock)


def _check_version(header: Header) -> None:
    if header.data_version > DATA_VERSION:
        raise Conflict(
            f"this backup is of data version {header.data_version}, this Nearfield reads up to {DATA_VERSION}: restore "
            f"it with the version that wrote it ({header.product[:40]!r}) or a later one. Nothing was restored",
            code="newer-backup",
        )


def _require_empty(root: Path) -> None:
    if not root.exists():
        return
    found = sorted({entry.name for entry in root.iterdir()} - {"lost+found"})
    if found:
        raise Conflict(
            f"{root} is not empty (it holds {found[0]!r}, for one), and a restore must not mix two instances. Nothing "
            "was restored; give an empty or a new folder with --data-dir",
            code="folder-not-empty",
        )


def _require_empty_servers(settings: Settings) -> None:
    """Servers of the settings must be as empty as the folder."""
    if not (settings.ledger_url and settings.index_url):
        return
    from services.ledger import keys
    from services.ledger.redis_link import redis_errors
    from services.recovery.rebuild import require_empty_ledger
    from services.redis_clients import BULK, connect

    ledger, index = connect(settings.ledger_url, BULK), connect(settings.index_url, BULK)
    with redis_errors("ledger"):
        require_empty_ledger(ledger)
    with redis_errors("index"):
        if index.exists(keys.INDEX_INSTANCE):
            raise Conflict(
                "the index Redis of NEARFIELD_INDEX_URL holds the documents of an instance; empty it with FLUSHALL, or "
                "name another. Nothing was restored",
                code="index-not-empty",
            )
    ledger.close()
    index.close()


@contextmanager
def _emptied_on_error(root: Path) -> Iterator[None]:
    """Makes the folder; after an error it is as empty, or as absent, as before."""
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield
    except OSError as error:
        _empty(root, made)
        raise NearfieldError(f"{root} cannot be written ({error.strerror or error})", code="data-folder") from error
    except BaseException:
        _empty(root, made)
        raise


def _empty(root: Path, made: bool) -> None:
    for entry in root.iterdir() if root.exists() else ():
        if entry.is_dir() and entry.name != "lost+found":
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.is_file():
            entry.unlink(missing_ok=True)
    if made:
        with contextlib.suppress(OSError):
            root.rmdir()


def _check_notes(unpacked: Path) -> None:
    """What is read only when the ledger is made must be readable before anything is put in place."""
    from services.backup.ledger_keys import read_keys
    from services.backup.manifest import LEDGER_KEYS, MARKS, damaged_backup
    from services.recovery.marks import decode_marks

    readers: tuple[tuple[str, Callable[[bytes], object]], ...] = ((MARKS, decode_marks), (LEDGER_KEYS, read_keys))
    for name, read in readers:
        if (unpacked / name).exists():
            try:
                read((unpacked / name).read_bytes())
            except ValueError as error:
                raise damaged_backup(f"{name} holds something else than it should") from error


def _put_in_place(folder: DataFolder, unpacked: Path, header: Header) -> None:
    """Moves verified files to where they belong; the version stamp comes last, when everything is on disk."""
    from services.backup.manifest import LEDGER_KEYS, MARKS
    from services.ledger.envelopes import EnvelopeStore
    from services.ledger.instance import ID_FILE, MARK_FILE

    for name in ("accepted", "collections", MODELS):
        if (unpacked / name).exists():
            (unpacked / name).rename(folder.root / name)
    accepted = EnvelopeStore(folder.root / "accepted").folder
    for name, kept in ((MARKS, MARKS_FILE), (LEDGER_KEYS, KEYS_FILE)):
        if (unpacked / name).exists():
            (unpacked / name).rename(folder.root / kept)
    unpacked.rmdir()
    if header.instance:
        write_atomically(accepted / ID_FILE, next_epoch(header.instance) + "\n")
    write_atomically(accepted / MARK_FILE, f"{header.jobs}\n")
    os.sync()
    write_atomically(folder.root / "VERSION", f"{DATA_VERSION}\n")


def next_epoch(instance: str) -> str:
    """The id of a restored instance: the same with the next epoch, so that it is never taken for the one before."""
    name, _, epoch = instance.partition(":")
    return f"{name}:{int(epoch) + 1 if epoch.isascii() and epoch.isdigit() else 1}"
