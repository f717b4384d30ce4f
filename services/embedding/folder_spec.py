"""Reads a model's spec out of a sentence-transformers folder, without torch and without loading weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from services.embedding.builtin import TRANSFORMER
from services.embedding.folder_reading import Json, licence_of, prompts_of, read_json, read_object, unreadable
from services.embedding.model_files import check_folder, hash_files
from services.embedding.spec import ModelSpec
from services.errors import ModelError

_MODULE = re.compile(r"sentence_transformers(?:\.\w+)*\.(\w+)")
_SUPPORTED = ("Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout")
_HIDDEN_SIZE_KEYS = ("hidden_size", "d_model", "dim", "n_embd")
_TRANSFORMER_CONFIGS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")
_OLD_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_UNLIMITED_TOKENS = 100_000


def read_folder_spec(name: str, folder: Path, *, source: str, revision: str) -> ModelSpec:
    """The spec of the model in ``folder``.

    Args:
        name: what people and collections call it.
        source: a folder or a hub name, for people.
        revision: the edition, where the source knows one.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    check_folder(folder)
    try:
        return _assemble(name, folder, source, revision)
    except (TypeError, ValueError, AttributeError) as error:
        raise unreadable(folder / "modules.json", f"a value has the wrong type ({error})") from error


def _assemble(name: str, folder: Path, source: str, revision: str) -> ModelSpec:
    modules = _modules(folder)
    read_object(folder / modules[0][1] / "config.json")
    settings = read_object(folder / "config_sentence_transformers.json", optional=True)
    kinds = [kind for kind, _ in modules]
    _check_similarity(folder, settings, kinds)
    query_prompt, document_prompt = prompts_of(settings)
    return ModelSpec(
        name=name,
        family=TRANSFORMER,
        source=source,
        revision=revision,
        dim=_dimension(folder, modules, settings),
        max_tokens=_max_tokens(folder / modules[0][1]),
        pooling="+".join(_pooling_modes(read_object(folder / _path_of("Pooling", modules) / "config.json"))),
        licence=licence_of(folder),
        file_hashes=hash_files(folder),
        query_prompt=query_prompt,
        document_prompt=document_prompt,
    )


def _modules(folder: Path) -> list[tuple[str, str]]:
    """(kind, sub-folder) of each step from text to vector."""
    entries = read_json(folder / "modules.json")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        reference, path = str(entry.get("type")), str(entry.get("path", ""))
        match = _MODULE.fullmatch(reference)
        if match is None or match[1] not in _SUPPORTED:
            raise _unsupported(folder, f"step {reference!r}", f"steps are {', '.join(_SUPPORTED)}")
        if path.startswith(("/", "\\")) or ".." in Path(path).parts:
            raise ModelError(f"model folder {folder}: step path {path!r} leads out of the folder", code="model-unsafe")
        found.append((match[1], path))
    kinds = [kind for kind, _ in found]
    if kinds[:1] != ["Transformer"] or kinds.count("Pooling") != 1:
        raise _unsupported(
            folder, f"the steps {kinds}", "a model is a Transformer, one Pooling, and steps on its vector"
        )
    return found


def _path_of(kind: str, modules: Sequence[tuple[str, str]]) -> str:
    return next(path for each, path in modules if each == kind)


def _dimension(folder: Path, modules: Sequence[tuple[str, str]], settings: Json) -> int:
    """What comes out of the last step that changes the number of numbers."""
    dim = 0
    for kind, path in modules:
        if kind == "Pooling":
            config = read_object(folder / path / "config.json")
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension")
            if width is None:
                model = read_object(folder / modules[0][1] / "config.json")
                width = next((model[key] for key in _HIDDEN_SIZE_KEYS if key in model), 0)
            dim = int(width) * len(_pooling_modes(config))
        elif kind == "Dense":
            config = read_object(folder / path / "config.json")
            dim = int(config.get("out_features", 0))
            # The loader silently puts tanh in the place of an activation it does not trust: other vectors.
            if not str(config.get("activation_function", "torch.nn.")).startswith("torch.nn."):
                raise _unsupported(folder, f"activation {config['activation_function']!r}", "torch.nn activations")
    dim = min(dim, int(settings.get("truncate_dim") or dim))
    if dim < 1:
        raise unreadable(folder / "modules.json", "no step says how many numbers a vector has")
    return dim


def _pooling_modes(config: Json) -> list[str]:
    modes = config.get("pooling_mode")
    if isinstance(modes, str):
        return [modes]
    if isinstance(modes, list) and modes:
        return [str(mode) for mode in modes]
    return [mode for key, mode in _OLD_POOLING_KEYS.items() if config.get(key)] or ["mean"]


def _max_tokens(folder: Path) -> int:
    """The model's limit: its own setting, else the smaller of tokenizer's and positions'."""
    for name in _TRANSFORMER_CONFIGS:
        limit = read_object(folder / name, optional=True).get("max_seq_length")
        if limit:
            return int(limit)
    limits = [
        read_object(folder / "tokenizer_config.json", optional=True).get("model_max_length"),
        read_object(folder / "config.json", optional=True).get("max_position_embeddings"),
    ]
    known = [int(limit) for limit in limits if isinstance(limit, int | float) and 0 < limit <= _UNLIMITED_TOKENS]
    if not known:
        raise unreadable(folder / "tokenizer_config.json", "no model_max_length says how long a text may be")
    return min(known)


def _check_similarity(folder: Path, settings: Json, kinds: Sequence[str]) -> None:
    """Collections compare by cosine; a model made for another measure would rank worse without a word."""
    similarity = settings.get("similarity_fn_name") or "cosine"
    if similarity == "cosine" or (similarity == "dot" and kinds[-1] == "Normalize"):
        return
    raise _unsupported(folder, f"similarity {similarity!r}", "cosine, or dot of normalised vectors")


def _unsupported(folder: Path, given: str, allowed: str) -> ModelError:
    return ModelError(
        f"model folder {folder} uses {given}; supported: {allowed}; choose another model", code="model-unsupported"
    )
