"""Model folders of our own format: what a trainer writes and the classic, word and recurrent families load.

``nearfield-model.json`` says what the model is and holds the sha256 of every other file; numbers are in
``weights.safetensors``, vocabularies in ``vocabulary.json``. Nothing in a folder can run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.families import FAMILIES, Setting
from services.embedding.model_files import verify_files
from services.embedding.spec import ModelSpec
from services.errors import ModelError

MANIFEST = "nearfield-model.json"
WEIGHTS = "weights.safetensors"
VOCABULARY = "vocabulary.json"
FORMAT = 1
_REMEDY = "copy the whole folder again, or train the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """What a manifest says.

    Attributes:
        family: a name in ``FAMILIES``.
        dim: numbers in a vector.
        max_tokens: longest input, in the family's tokens.
        pooling: how a text's vector is made of its words', for people.
        settings: whatever the family needs to load the model.
        trained_on: for people: how many texts, from where.
        licence: of the weights.
    """

    family: str
    dim: int
    max_tokens: int
    pooling: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    trained_on: str = ""
    licence: str = "unknown"


def write_own_folder(
    folder: Path, model: OwnModel, tensors: Mapping[str, NDArray[Any]], vocabulary: Sequence[str] = ()
) -> None:
    """Writes a model; the manifest last, so that a folder with one is whole.

    Args:
        folder: exists.
        tensors: by name; saved as they are, contiguous.
        vocabulary: words in the order of the rows that belong to them.
    """
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, str(folder / WEIGHTS))
    names = [WEIGHTS]
    if vocabulary:
        (folder / VOCABULARY).write_text(json.dumps(list(vocabulary), ensure_ascii=False), encoding="utf-8")
        names.append(VOCABULARY)
    manifest = {
        "format": FORMAT,
        "family": model.family,
        "dim": model.dim,
        "max_tokens": model.max_tokens,
        "pooling": model.pooling,
        "settings": dict(model.settings),
        "trained_on": model.trained_on,
        "licence": model.licence,
        "files": {name: _sha256(folder / name) for name in names},
    }
    temporary = folder / (MANIFEST + ".new")
    temporary.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    temporary.replace(folder / MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_own_spec(name: str, folder: Path) -> ModelSpec:
    """The spec of a folder of ours, without reading its numbers.

    Raises:
        ModelError: code "model-missing", "model-unreadable" or "model-unsupported".
    """
    model, files = _read(folder)
    decisive = json.dumps(dict(model.settings), sort_keys=True, separators=(",", ":"))
    settings_hash = hashlib.sha256(f"{model.family} {decisive}".encode()).hexdigest()
    return ModelSpec(
        name=name,
        family=model.family,
        source=model.trained_on or str(folder),
        revision="",
        dim=model.dim,
        max_tokens=model.max_tokens,
        pooling=model.pooling,
        licence=model.licence,
        file_hashes=(*files, ("settings", settings_hash)),
    )


def load_own_folder(folder: Path) -> tuple[OwnModel, dict[str, NDArray[Any]], list[str]]:
    """Manifest, tensors and vocabulary, after every file was held against its hash.

    Raises:
        ModelError: code "model-missing", "model-changed" or "model-unreadable".
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    model, files = _read(folder)
    verify_files(folder, files, remedy=_REMEDY)
    try:
        tensors = load_file(str(folder / WEIGHTS))
        vocabulary = _vocabulary(folder) if any(name == VOCABULARY for name, _ in files) else []
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(folder, str(error)) from error
    if not all(np.isfinite(tensor).all() for tensor in tensors.values() if tensor.dtype.kind == "f"):
        raise _unreadable(folder, "its weights hold a NaN or an infinity")
    return model, tensors, vocabulary


def _read(folder: Path) -> tuple[OwnModel, tuple[tuple[str, str], ...]]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise _unreadable(folder, f"format {manifest['format']!r} is not the known one, {FORMAT}")
        model = OwnModel(
            family=str(manifest["family"]),
            dim=int(manifest["dim"]),
            max_tokens=int(manifest["max_tokens"]),
            pooling=str(manifest["pooling"]),
            settings=dict(manifest["settings"]),
            trained_on=str(manifest["trained_on"]),
            licence=str(manifest["licence"]),
        )
        files = tuple(sorted((str(name), str(digest)) for name, digest in manifest["files"].items()))
    except FileNotFoundError:
        raise ModelError(f"model folder {folder} has no {MANIFEST}; {_REMEDY}", code="model-missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(folder, f"{type(error).__name__}: {error}") from error
    if model.family not in FAMILIES:
        raise _unreadable(folder, f"its family {model.family[:40]!r} is unknown")
    if not 1 <= model.dim <= 32_768 or model.max_tokens < 1:
        raise _unreadable(folder, f"dim {model.dim} or max_tokens {model.max_tokens} is out of range")
    if any("/" in name or name.startswith(".") for name, _ in files) or not any(name == WEIGHTS for name, _ in files):
        raise _unreadable(folder, "its list of files is not one of a model")
    return model, files


def _vocabulary(folder: Path) -> list[str]:
    words = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("the vocabulary is not a list of words")
    return words


def _unreadable(folder: Path, why: str) -> ModelError:
    return ModelError(f"model folder {folder} cannot be used: {why[:300]}; {_REMEDY}", code="model-unreadable")
