"""Brings a model into the folder of installed ones: copied, hashed, tried in a process of its own, then named.

Whatever is wrong with it shows before it has a name: a broken model is never installed, and what was installed stays.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.embedding.hub import HUB_NAME, fetch
from services.embedding.installing.names import check_installed_name
from services.embedding.installing.record import ModelRecord
from services.embedding.installing.shelf import ModelShelf
from services.embedding.installing.trials import try_model
from services.embedding.model_files import decisive_files, refuse_unsafe
from services.embedding.options import LoadOptions
from services.embedding.resolving import read_spec
from services.embedding.spec import ModelSpec
from services.errors import Conflict, InvalidInput, ModelError, StorageFull

_PIECE = 1024 * 1024
_MOST_WORDS = 400_000
_SPARE_BYTES = 256 * 1024 * 1024
_KEPT_BESIDE = ("README.md", "LICENSE", "LICENSE.txt", "NOTICE")
_VECTOR_ENDINGS = (".vec", ".txt", ".bin", ".gz")

Progress = Callable[[str, int, int], None]
"""What is being done, how far it is, how far it goes (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from: files on this machine, and what to say of them."""

    path: Path
    source: str
    revision: str
    name: str


def find_origin(source: str) -> Origin:
    """A folder, a file of word vectors, or a hub name (fetched if it is not in the local cache).

    Raises:
        ModelError: code "model-missing" or "unknown-model".
    """
    path = Path(source).expanduser()
    if path.exists():
        path = path.absolute()
        name = path.name
        while not path.is_dir() and name.endswith(_VECTOR_ENDINGS):
            name = name.rpartition(".")[0]
        return Origin(path, str(path), "", name)
    if HUB_NAME.fullmatch(source):
        folder, repo, commit = fetch(source)
        return Origin(folder, repo, commit, repo.rpartition("/")[2])
    raise ModelError(
        f"there is no {source[:200]!r}; give a folder, a file of word vectors (.vec, .txt, .bin) or a hub name such as "
        "org/model",
        code="model-missing",
    )


def pull(
    shelf: ModelShelf,
    options: LoadOptions,
    origin: Origin,
    *,
    as_name: str | None,
    replace_used: Callable[[str], None] | None,
    max_words: int | None = None,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[str, ModelRecord]:
    """Installs a model and returns its name and record.

    Args:
        as_name: its name; None: the origin's own.
        replace_used: None: a model of that name is kept, which is an error. Otherwise it is replaced, unless this
            raises for its name.
        max_words: most words to take from a file of word vectors; None: the reader's own limit.

    Raises:
        InvalidInput, Conflict: the name. ModelError: the model; the message says what is wrong with it.
        StorageFull, Unavailable: the disk.
    """
    name = check_installed_name(origin.name if as_name is None else as_name)
    if shelf.has(name):
        if replace_used is None:
            raise Conflict(
                f"there is a model {name!r} already; choose another name with --as, or replace it with --replace",
                code="model-exists",
                pointer="/name",
            )
        replace_used(name)
    if origin.path.is_dir():
        _look_over(name, origin)
    with shelf.in_the_making() as made:
        if origin.path.is_dir():
            _copy(origin.path, made, progress)
        else:
            _import_vectors(origin.path, made, max_words, progress)
        spec = read_spec(name, made, source=origin.source, revision=origin.revision)
        progress("trying", 0, 0)
        tried = try_model(name, made, options)
        if tried != spec.fingerprint:
            raise ModelError(f"the model {name!r} changed while it was tried; pull it again", code="model-changed")
        record = make_record(spec, made, origin.source, origin.revision)
        if replace_used is not None and shelf.has(name):
            replace_used(name)
        shelf.put(made, name, record, replace=replace_used is not None)
    return name, record


def make_record(spec: ModelSpec, folder: Path, source: str, revision: str = "") -> ModelRecord:
    """The record of a finished folder; its files are synced on the way."""
    files, size = {}, 0
    for path in _files(folder):
        digest, length = _hash_synced(path)
        files[path.relative_to(folder).as_posix()] = digest
        size += length
    return ModelRecord(
        source=source,
        revision=revision,
        licence=spec.licence,
        installed_at_ms=time.time_ns() // 1_000_000,
        fingerprint=spec.fingerprint,
        size_bytes=size,
        files=files,
    )


def _look_over(name: str, origin: Origin) -> None:
    """What can be seen without copying is told before anything is copied."""
    refuse_unsafe(origin.path)
    read_spec(name, origin.path, source=origin.source, revision=origin.revision)


def _copy(source: Path, made: Path, progress: Progress) -> None:
    """Copies what loaders read, and the texts about it; links become files."""
    wanted = [*decisive_files(source), *(name for name in _KEPT_BESIDE if (source / name).is_file())]
    sizes = {name: (source / name).stat().st_size for name in dict.fromkeys(wanted)}
    total = sum(sizes.values())
    if shutil.disk_usage(made).free < total + _SPARE_BYTES:
        raise StorageFull(
            f"the model needs {total / 1e6:,.0f} MB and the disk of {made.parent} has not that much room; free some"
        )
    done = 0
    for name in sizes:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            with (source / name).open("rb") as original, (made / name).open("xb") as copy:
                while piece := original.read(_PIECE):
                    copy.write(piece)
                    done += len(piece)
                    progress("copying", done, total)
        except FileNotFoundError as error:
            raise ModelError(
                f"{error.filename} vanished while it was copied; try again", code="model-missing"
            ) from error


def _import_vectors(path: Path, made: Path, max_words: int | None, progress: Progress) -> None:
    from services.embedding.wordvectors.published.importing import import_word_vectors

    if not path.is_file():
        raise InvalidInput(f"{path} is neither a folder nor a file of word vectors", code="bad-word-vectors")
    beats = iter(range(1 << 62))
    import_word_vectors(
        path,
        made,
        max_words=_MOST_WORDS if max_words is None else max_words,
        tick=lambda: progress("reading", next(beats), 0),
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _hash_synced(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return digest, file.tell()
