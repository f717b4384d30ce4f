"""Reads the spec of a bare transformer folder (``config.json`` and no ``modules.json``), without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.embedding.builtin import TRANSFORMER
from services.embedding.folder_reading import Json, licence_of, peek_json, read_object, unreadable
from services.embedding.model_files import check_folder, hash_files
from services.embedding.pretrained.kinds import KINDS, POOLINGS, POSITIONS_AFTER_PADDING, Kind, kind_of
from services.embedding.spec import ModelSpec
from services.errors import ModelError

CONFIG = "config.json"
OVERRIDES = "nearfield-pooling.json"
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
)
_WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
_MEMBERS = {"pooling": str, "query_prompt": str, "document_prompt": str, "max_tokens": int}
_UNLIMITED_TOKENS = 100_000
_DEFAULT_TOKENS = 512
"""For a model without positions whose tokenizer states no limit: what T5 was trained with."""
_MOST_TOKENS = 8192
"""Where the folder does not ask for more: models of 131,072 tokens would need some 100 GB for one text."""
_MOST_PROMPT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class _Overrides:
    pooling: str = ""
    query_prompt: str = ""
    document_prompt: str = ""
    max_tokens: int = 0


def is_bare_folder(folder: Path) -> bool:
    """Whether a folder is one of ours to read: a transformer's configuration, and nothing that lists steps."""
    if (folder / "modules.json").is_file():
        return False
    config = peek_json(folder / CONFIG)
    return isinstance(config, dict) and isinstance(config.get("model_type"), str)


def read_bare_spec(name: str, folder: Path, *, source: str, revision: str) -> ModelSpec:
    """The spec of the model in ``folder``; ``nearfield-pooling.json`` in it, if there is one, has the last word.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    check_folder(folder, marks=(CONFIG,))
    try:
        return _assemble(name, folder, source, revision)
    except (TypeError, ValueError, AttributeError) as error:
        raise unreadable(folder / CONFIG, f"a value has the wrong type ({error})") from error


def kind_of_folder(folder: Path) -> Kind:
    """The kind of backbone that lies in a folder.

    Raises:
        ModelError: code "model-unreadable" or "model-unsupported".
    """
    model_type = str(read_object(folder / CONFIG).get("model_type"))
    kind = kind_of(model_type)
    if kind is None:
        known = "; ".join(f"{each.name}s {', '.join(sorted(each.types))}" for each in KINDS)
        raise ModelError(
            f"model folder {folder} holds an architecture {model_type[:40]!r}, which is not read; known are {known}; "
            "choose another model, or its edition for sentence-transformers",
            code="model-unsupported",
        )
    return kind


def _assemble(name: str, folder: Path, source: str, revision: str) -> ModelSpec:
    kind = kind_of_folder(folder)
    config = read_object(folder / CONFIG)
    if config.get("auto_map"):
        raise ModelError(
            f"model folder {folder} asks for code of its own (auto_map in {CONFIG}); only architectures of "
            "transformers itself are read; choose another model",
            code="model-unsupported",
        )
    if any(str(each).endswith("ForSequenceClassification") for each in config.get("architectures") or []):
        raise ModelError(
            f"model folder {folder} holds a model that scores pairs of texts and makes no vectors; offer it as a "
            "reranker (NEARFIELD_RERANKERS) or choose another model",
            code="model-unsupported",
        )
    if not any((folder / each).is_file() for each in _TOKENIZERS):
        raise ModelError(
            f"model folder {folder} has no tokenizer.json; copy the whole folder, with its tokenizer",
            code="model-missing",
        )
    overrides = _overrides(folder)
    return ModelSpec(
        name=name,
        family=TRANSFORMER,
        source=source,
        revision=revision,
        dim=_dim(folder, config),
        max_tokens=_max_tokens(folder, config, overrides.max_tokens),
        pooling=overrides.pooling or kind.pooling,
        licence=licence_of(folder),
        file_hashes=hash_files(folder),
        query_prompt=overrides.query_prompt,
        document_prompt=overrides.document_prompt,
    )


def _dim(folder: Path, config: Json) -> int:
    dim = next((int(config[key]) for key in _WIDTHS if config.get(key)), 0)
    if not 1 <= dim <= 32_768:
        raise unreadable(folder / CONFIG, f"no {', '.join(_WIDTHS)} says how many numbers a vector has")
    return dim


def _max_tokens(folder: Path, config: Json, asked: int) -> int:
    """The smallest of positions, tokenizer's limit and ours; or what the folder asks for, as far as positions go."""
    positions = next((int(config[key]) for key in _POSITIONS if config.get(key)), 0)
    if positions and config["model_type"] in POSITIONS_AFTER_PADDING:
        # transformers itself assumes 1 where a configuration is silent
        positions -= int(config.get("pad_token_id") or 1) + 1
    if positions < 0:
        raise unreadable(folder / CONFIG, "it leaves no position for a token")
    if asked:
        if positions and asked > positions:
            raise unreadable(folder / OVERRIDES, f"max_tokens is {asked}, the model has positions for {positions}")
        return asked
    stated = read_object(folder / "tokenizer_config.json", optional=True).get("model_max_length")
    limit = int(stated) if isinstance(stated, int | float) and 0 < stated <= _UNLIMITED_TOKENS else 0
    return min(_MOST_TOKENS, *(each for each in (positions, limit) if each)) if positions or limit else _DEFAULT_TOKENS


def _overrides(folder: Path) -> _Overrides:
    path = folder / OVERRIDES
    given = read_object(path, optional=True)
    for member, value in given.items():
        wanted = _MEMBERS.get(member)
        if wanted is None:
            raise unreadable(path, f"it has a member {member[:40]!r}; known are {', '.join(_MEMBERS)}")
        if type(value) is not wanted:
            raise unreadable(path, f"{member} must be {'a text' if wanted is str else 'a whole number'}")
        if isinstance(value, str) and len(value) > _MOST_PROMPT_CHARS:
            raise unreadable(path, f"{member} has {len(value):,} characters; allowed are {_MOST_PROMPT_CHARS:,}")
    found = _Overrides(**given)
    if "pooling" in given and found.pooling not in POOLINGS:
        raise unreadable(path, f"pooling is {found.pooling[:40]!r}; allowed are {', '.join(POOLINGS)}")
    if "max_tokens" in given and not 1 <= found.max_tokens <= _UNLIMITED_TOKENS:
        raise unreadable(path, f"max_tokens is {found.max_tokens}; allowed are 1 to {_UNLIMITED_TOKENS:,}")
    return found
