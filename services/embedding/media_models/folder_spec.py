"""Reads the spec of a CLIP, ViT or CLAP folder as transformers saves them, without torch and without its weights."""

from __future__ import annotations

from pathlib import Path

from services.embedding.folder_reading import Json, licence_of, peek_json, read_object, unreadable
from services.embedding.media_models.sides import AUDIO, IMAGE, TEXT
from services.embedding.model_files import check_folder, hash_files
from services.embedding.spec import ModelSpec
from services.errors import ModelError

CONFIG = "config.json"
_PROCESSOR = "preprocessor_config.json"
_MODALITIES = {"clip": (TEXT, IMAGE), "vit": (IMAGE,), "clap": (TEXT, AUDIO)}
_POOLINGS = ("cls", "mean")
_UNLIMITED_TOKENS = 100_000
_NO_TEXT_TOKENS = 256
"""A model without a text side has no limit; this is what collections of it are told."""


def is_media_folder(folder: Path) -> bool:
    """Whether a folder is one of ours to read: its config names a model of pictures or sounds."""
    if (folder / "modules.json").is_file():
        return False
    config = peek_json(folder / CONFIG)
    return isinstance(config, dict) and config.get("model_type") in _MODALITIES


def read_media_spec(name: str, folder: Path, *, source: str, revision: str) -> ModelSpec:
    """The spec of the model in ``folder``.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    check_folder(folder, marks=(CONFIG,))
    try:
        return _assemble(name, folder, source, revision)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise unreadable(folder / CONFIG, f"a value is missing or has the wrong type ({error})") from error


def _assemble(name: str, folder: Path, source: str, revision: str) -> ModelSpec:
    config = read_object(folder / CONFIG)
    family = str(config["model_type"])
    _require_processor(folder)
    dim = int(config["hidden_size"] if family == "vit" else config.get("projection_dim") or 512)
    if not 1 <= dim <= 32_768:
        raise unreadable(folder / CONFIG, f"it says that vectors have {dim} numbers")
    return ModelSpec(
        name=name,
        family=family,
        source=source,
        revision=revision,
        dim=dim,
        max_tokens=_NO_TEXT_TOKENS if family == "vit" else _max_tokens(folder, config, family),
        pooling=_vit_pooling(folder, config) if family == "vit" else "projection",
        licence=licence_of(folder),
        file_hashes=hash_files(folder),
        modalities=_MODALITIES[family],
    )


def _vit_pooling(folder: Path, config: Json) -> str:
    """The first token stands for the picture, unless the folder asks for the mean of its patches."""
    pooling = str(config.get("nearfield_pooling", "cls"))
    if pooling not in _POOLINGS:
        raise unreadable(folder / CONFIG, f"nearfield_pooling is {pooling!r}; allowed are {', '.join(_POOLINGS)}")
    return pooling


def _max_tokens(folder: Path, config: Json, family: str) -> int:
    """The smaller of what the text tower has positions for and what the tokenizer says."""
    text = config.get("text_config") or {}
    default = 77 if family == "clip" else 514
    positions = int(text.get("max_position_embeddings") or default)
    if family == "clap":  # a RoBERTa: its positions begin behind that of the padding
        positions -= int(text.get("pad_token_id", 1)) + 1
    limit = read_object(folder / "tokenizer_config.json", optional=True).get("model_max_length")
    is_limit = isinstance(limit, int | float) and 0 < limit <= _UNLIMITED_TOKENS
    found = min(positions, int(limit or 0)) if is_limit else positions
    if found < 1:
        raise unreadable(folder / CONFIG, f"it leaves room for {found} tokens of text")
    return found


def _require_processor(folder: Path) -> None:
    if not any((folder / each).is_file() for each in (_PROCESSOR, "processor_config.json")):
        raise ModelError(
            f"model folder {folder} has no {_PROCESSOR}, which says how pictures or sounds are prepared; copy the "
            "whole folder again",
            code="model-missing",
        )
