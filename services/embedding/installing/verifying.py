"""Holds a model's files against what was promised of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.embedding.installing.record import ModelRecord
from services.embedding.installing.shelf import ModelShelf
from services.embedding.model_files import decisive_files
from services.embedding.own_folder import MANIFEST
from services.embedding.registry import ModelRegistry
from services.errors import NearfieldError

_RECORD = "its record"


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not what was promised: ``what`` is "missing", "changed", "added" or "unreadable"."""

    file: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check found.

    Attributes:
        name: the model.
        against: what its files were held against: "its record", "its manifest", "this release"; "nothing" when nobody
            promised anything: a folder that was put there by hand, or a model without files.
        files: how many were compared.
        differences: what is wrong.
        problem: why the model cannot be used at all; "" when it can.
    """

    name: str
    against: str
    files: int
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.differences and not self.problem


def verify(registry: ModelRegistry, shelf: ModelShelf, name: str) -> Verification:
    """Reads every file of a model."""
    try:
        record = shelf.record(name) if shelf.has(name) else None
    except NearfieldError as error:
        return Verification(name=name, against=_RECORD, files=0, problem=error.message)
    if record is not None:
        return _compared(name, _RECORD, shelf.folder / name, record.files, _problem(registry, name))
    try:
        found = registry.resolve(name)
    except NearfieldError as error:
        return Verification(name=name, against="nothing", files=0, problem=error.message)
    if not found.folder.parts:
        return Verification(name=name, against="nothing", files=0)
    if (found.folder / MANIFEST).is_file():
        promised = {file: digest for file, digest in found.spec.file_hashes if (found.folder / file).name != "settings"}
        return _compared(name, "its manifest", found.folder, promised | _present(found.folder, MANIFEST), "")
    if not shelf.has(name) and not name.startswith(("/", ".", "~")) and "@" not in found.spec.name:
        return _compared(name, "this release", found.folder, dict(found.spec.file_hashes), "")
    return Verification(name=name, against="nothing", files=len(found.spec.file_hashes))


def verify_record(models_dir: Path, name: str, record: ModelRecord) -> Verification:
    """Reads every file of a model below ``models_dir`` and compares it with its record; the model is not looked up."""
    return _compared(name, _RECORD, models_dir / name, record.files, "")


def _problem(registry: ModelRegistry, name: str) -> str:
    try:
        registry.resolve(name)
    except NearfieldError as error:
        return error.message
    return ""


def _compared(name: str, against: str, folder: Path, promised: Mapping[str, str], problem: str) -> Verification:
    differences = []
    for file, digest in sorted(promised.items()):
        try:
            with (folder / file).open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
                    differences.append(Difference(file, "changed"))
        except FileNotFoundError:
            differences.append(Difference(file, "missing"))
        except OSError:
            differences.append(Difference(file, "unreadable"))
    if against == _RECORD:  # the record names every file; a release and a manifest name those that decide
        try:
            differences += [Difference(file, "added") for file in decisive_files(folder) if file not in promised]
        except NearfieldError as error:
            problem = problem or error.message
    return Verification(
        name=name, against=against, files=len(promised), differences=tuple(differences), problem=problem
    )


def _present(folder: Path, name: str) -> dict[str, str]:
    """The manifest itself, which holds no hash of its own."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()}
