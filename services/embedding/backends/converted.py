"""Converted models on disk: found again by what they were made of, checked by hash, written whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from services.embedding.backends.calibration import Closeness
from services.embedding.backends.machine import Machine
from services.embedding.spec import ModelSpec

GRAPH = "graph.xml"
WEIGHTS = "graph.bin"
TOKENIZER = "tokenizer.json"
_RECORD = "made.json"
_FORMAT = 1
_MADE_WITH = ("openvino", "torch", "sentence-transformers", "transformers", "tokenizers")


@dataclass(frozen=True, slots=True)
class Converted:
    """What came out of a conversion.

    Attributes:
        pad_id: token that fills the ends of short rows.
        special_tokens: how many the tokenizer adds to a text.
        closeness: by precision, for those that were tried.
        refused: why there is no graph; "" if there is one. A refusal is kept too: trying again would cost every
            start its seconds and end in the same way.
    """

    pad_id: int = 0
    special_tokens: int = 0
    closeness: Mapping[str, Closeness] = field(default_factory=dict)
    refused: str = ""


class ConvertedModels:
    """The folder of converted models. Processes that want the same one at the same time wait for each other.

    Args:
        folder: made when it is first needed.
        machine: what they are judged and measured on.
        prepared: another such folder to take them from before making them; it may be absent.
    """

    def __init__(self, folder: Path, machine: Machine, *, prepared: Path | None = None) -> None:
        self._folder = folder
        self._machine = machine
        self._prepared = prepared

    def place(self, spec: ModelSpec) -> Path:
        """Where this model lies when it was converted with today's libraries for this machine."""
        parts = [str(_FORMAT), self._machine.mark, *(f"{name} {_version(name)}" for name in _MADE_WITH)]
        return self._folder / f"{spec.fingerprint}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}"

    def get(self, spec: ModelSpec, make: Callable[[Path], Converted]) -> tuple[Path, Converted]:
        """The converted model; made now if there is none or what lies there is damaged.

        Args:
            make: fills an empty folder and says what it put there; whatever it raises passes through, nothing is kept.

        Raises:
            OSError: the folder cannot be written.
        """
        place = self.place(spec)
        with self.locked(spec):
            found = read(place)
            if found is None:
                shutil.rmtree(place, ignore_errors=True)
                with tempfile.TemporaryDirectory(prefix=".making-", dir=self._folder) as making:
                    target = Path(making) / place.name
                    found = self._take_prepared(target)
                    if found is None:
                        target.mkdir()
                        found = make(target)
                        _write_record(target, found)
                    target.replace(place)
                self._forget_others(spec, place)
            return place, found

    def _take_prepared(self, target: Path) -> Converted | None:
        """Links, or copies, what set-up has made for this machine; None if it has not, or if it is damaged."""
        source = None if self._prepared is None else self._prepared / target.name
        if source is None or read(source) is None:
            return None
        try:
            shutil.copytree(source, target, copy_function=_link_or_copy)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)
            return None
        return read(target)

    @contextmanager
    def locked(self, spec: ModelSpec) -> Iterator[None]:
        """One process at a time per model; the lock ends with its holder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / f".{spec.fingerprint}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _forget_others(self, spec: ModelSpec, place: Path) -> None:
        """Those made with other versions. A process that has one open keeps it until it ends."""
        for other in self._folder.glob(f"{spec.fingerprint}-*"):
            if other != place:
                shutil.rmtree(other, ignore_errors=True)


def read(place: Path) -> Converted | None:
    """What lies there; None if it is absent, of another format or damaged. Hashing 90 MB takes 0.1 s."""
    try:
        record = json.loads((place / _RECORD).read_text(encoding="utf-8"))
        if record["format"] != _FORMAT:
            return None
        for name, digest in _hashes(place, record["files"]).items():
            if record["files"][name] != digest:
                return None
        return _converted(record["converted"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _converted(values: Mapping[str, Any]) -> Converted:
    closeness = {
        str(name): Closeness(float(each["cosine"]), float(each["moved"])) for name, each in values["closeness"].items()
    }
    if not all(math.isfinite(each.cosine) and math.isfinite(each.moved) for each in closeness.values()):
        raise ValueError("a figure is not finite")
    return Converted(int(values["pad_id"]), int(values["special_tokens"]), closeness, str(values["refused"]))


def _write_record(place: Path, converted: Converted) -> None:
    names = [path.name for path in sorted(place.iterdir())]
    for name in names:
        with (place / name).open("rb") as file:
            os.fsync(file.fileno())
    record = {"format": _FORMAT, "files": _hashes(place, names), "converted": asdict(converted)}
    with (place / _RECORD).open("x", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=1))
        file.flush()
        os.fsync(file.fileno())


def _hashes(place: Path, names: Any) -> dict[str, str]:
    found = {}
    for name in names:
        with (place / Path(name).name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
