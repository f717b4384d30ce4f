"""Models that come out of a backup: verified before anything of it counts, and which ones are still to be had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.backup.manifest import Header, damaged_backup, read_json
from services.backup.model_names import (
    DEFAULT,
    MODELS,
    MOST_DEFAULT_BYTES,
    MOST_RECORD_BYTES,
    RECORD_SUFFIX,
    is_model_name,
    is_model_path,
)
from services.collections.values import Collection
from services.embedding.builtin import BUILTIN_SPECS
from services.embedding.installing.shelf import ModelShelf
from services.embedding.installing.verifying import verify_record
from services.embedding.providers.options import is_provider_name
from services.errors import NearfieldError


@dataclass(frozen=True, slots=True)
class NeededModel:
    """A collection whose model is not on this machine; ``advice`` says how to get it."""

    collection: str
    model: str
    advice: str


def check_models(unpacked: Path, header: Header) -> None:
    """Holds every unpacked model against its record, but for those that were damaged when the backup was made.

    Raises:
        InvalidInput: code "damaged-backup".
    """
    folder = unpacked / MODELS
    found = {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.exists() else set()
    if len(found) != header.models:
        raise damaged_backup(f"it holds {len(found)} models, and says {header.models}")
    if (unpacked / DEFAULT).exists():
        _check_default(unpacked / DEFAULT)
    shelf = ModelShelf(folder)
    for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
        if path == unpacked / DEFAULT:
            continue
        if path.stem not in found or path.stat().st_size > MOST_RECORD_BYTES:
            raise damaged_backup(f"{MODELS}/{path.name} is the record of no model")
        _check_record(shelf, path.stem, damaged=path.stem in header.models_damaged)


def _check_record(shelf: ModelShelf, name: str, *, damaged: bool) -> None:
    try:
        record = shelf.record(name)
    except NearfieldError as error:
        if damaged:
            return
        raise damaged_backup(f"the record of the model {name} cannot be read") from error
    if record is None or not all(map(is_model_path, record.files)):
        raise damaged_backup(f"the record of the model {name} names files that no model has")
    if not damaged and not (found := verify_record(shelf.folder, name, record)).ok:
        shown = ", ".join(f"{each.file[:60]!r} ({each.what})" for each in found.differences[:3]) or found.problem
        raise damaged_backup(f"the model {name} is not what its record says: {shown}")


def _check_default(path: Path) -> None:
    try:
        if path.stat().st_size > MOST_DEFAULT_BYTES:
            raise ValueError("too long")
        choice = read_json(path.read_bytes())
        if not isinstance(choice, dict) or not isinstance(choice.get("model"), str):
            raise ValueError("no choice")
    except ValueError as error:
        raise damaged_backup(f"{DEFAULT} holds something else than it should") from error


def models_needed(collections: Iterable[Collection], models_dir: Path) -> tuple[NeededModel, ...]:
    """Which collections have a model that is neither built in nor here, by name."""
    needed = []
    for collection in sorted(collections, key=lambda each: each.name):
        model = collection.model.partition("?")[0]
        advice = "" if model in BUILTIN_SPECS else _advice(model, models_dir)
        if advice:
            needed.append(NeededModel(collection.name, collection.model, advice))
    return tuple(needed)


def _advice(model: str, models_dir: Path) -> str:
    """What to do about a model that is not built in; "" when it is here."""
    if is_provider_name(model):
        return "set the provider's address and key, as where the backup was made"
    if model.startswith("/"):
        return "" if Path(model).is_dir() else "copy its folder to that place"
    if is_model_name(model):
        here = (models_dir / model).is_dir()
        return "" if here else f"install it with `nearfield models pull SOURCE --as {model}`"
    return "it is fetched from the hub at its first use, if it is not in the hub's local cache"
