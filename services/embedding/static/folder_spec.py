"""Reads the spec of a static model's folder: that of sentence-transformers' StaticEmbedding, or model2vec's own.

Both have a ``tokenizer.json`` and a table in ``model.safetensors``: "embedding.weight" or, model2vec's, "embeddings".
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from services.embedding.folder_reading import licence_of, peek_json, prompts_of, read_object, unreadable
from services.embedding.model_files import check_folder, hash_files
from services.embedding.spec import ModelSpec
from services.errors import ModelError

STATIC = "static"
MODULES, CONFIG, TOKENIZER, WEIGHTS = "modules.json", "config.json", "tokenizer.json", "model.safetensors"
TABLES = ("embedding.weight", "embeddings")
MAX_TOKENS = 512
"""A mean of more words says little; model2vec cuts there too, sentence-transformers nowhere."""

_STEP = "StaticEmbedding"
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Where a static model's files lie.

    Attributes:
        folder: with tokenizer and weights.
        drops_unknown: whether unknown tokens are left out (model2vec) or count like others (sentence-transformers).
    """

    folder: Path
    drops_unknown: bool


def is_static_folder(folder: Path) -> bool:
    """Whether a folder is one of those; nothing is checked."""
    steps = peek_json(folder / MODULES)
    if isinstance(steps, list):
        return bool(steps) and isinstance(steps[0], dict) and str(steps[0].get("type")).endswith("." + _STEP)
    config = peek_json(folder / CONFIG)
    return isinstance(config, dict) and config.get("model_type") == "model2vec"


def read_static_spec(name: str, folder: Path, *, source: str, revision: str = "") -> ModelSpec:
    """The spec of the model in ``folder``; of the weights only the header is read.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    files = static_files(folder)
    check_folder(folder, marks=())
    settings = read_object(folder / "config_sentence_transformers.json", optional=True)
    query_prompt, document_prompt = prompts_of(settings)
    dim = _width(files.folder / WEIGHTS)
    cut = settings.get("truncate_dim")
    return ModelSpec(
        name=name,
        family=STATIC,
        source=source,
        revision=revision,
        dim=min(dim, cut) if isinstance(cut, int) and cut > 0 else dim,
        max_tokens=MAX_TOKENS,
        pooling="mean",
        licence=licence_of(folder),
        file_hashes=hash_files(folder),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
    )


def static_files(folder: Path) -> StaticFiles:
    """Where tokenizer and weights lie.

    Raises:
        ModelError: code "model-missing", "model-unsafe" or "model-unsupported".
    """
    steps = peek_json(folder / MODULES)
    where, drops = folder, True
    if isinstance(steps, list):
        kinds = [str(step.get("type")).rpartition(".")[2] if isinstance(step, dict) else "?" for step in steps]
        if kinds not in ([_STEP], [_STEP, "Normalize"]):
            raise ModelError(
                f"model folder {folder} has the steps {kinds}; supported after {_STEP} is Normalize alone; choose "
                "another model",
                code="model-unsupported",
            )
        path = Path(str(steps[0].get("path", "")))
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(f"model folder {folder}: step path {str(path)!r} leads out of it", code="model-unsafe")
        where, drops = folder / path, False
    for each in (TOKENIZER, WEIGHTS):
        if not (where / each).is_file():
            raise ModelError(f"model file {where / each} is missing; copy the whole folder again", code="model-missing")
    return StaticFiles(where, drops)


def _width(path: Path) -> int:
    """Numbers in a vector, from the header of the weights."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER_BYTES:
                raise unreadable(path, f"its header is {size:,} bytes long")
            header = json.loads(file.read(size))
        shapes = [header[name]["shape"] for name in TABLES if name in header]
        rows, dim = shapes[0]
    except (OSError, struct.error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise unreadable(path, f"no table {' or '.join(TABLES)} ({type(error).__name__}: {error})") from error
    if not isinstance(dim, int) or not 1 <= dim <= 32_768 or not isinstance(rows, int) or rows < 1:
        raise unreadable(path, f"its table has the shape {[rows, dim]}")
    return dim
