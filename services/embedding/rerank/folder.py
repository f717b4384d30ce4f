"""What kind of reranker lies in a folder, and whether it may be loaded: read without torch and without weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.embedding.folder_reading import licence_of, read_json, read_object
from services.embedding.model_files import check_folder, hash_files
from services.embedding.rerank.protocol import COLBERT, CROSS_ENCODER, SPLADE, RerankerSpec
from services.errors import ModelError

_MODULE = re.compile(r"sentence_transformers(?:\.\w+)*\.(\w+)")
# The first step reads text; at least one of the marks tells the families apart.
_STEPS: Mapping[str, frozenset[str]] = {
    SPLADE: frozenset(("Transformer", "MLMTransformer", "SpladePooling")),
    COLBERT: frozenset(("Transformer", "Dense", "MultiVectorMask", "Normalize")),
    CROSS_ENCODER: frozenset(("Transformer", "Pooling", "Dense", "LogitScore")),
}
_FAMILY_OF_TYPE = {"SparseEncoder": SPLADE, "MultiVectorEncoder": COLBERT, "CrossEncoder": CROSS_ENCODER}
_FAMILY_OF_HEAD = {"ForMaskedLM": SPLADE, "HF_ColBERT": COLBERT, "ForSequenceClassification": CROSS_ENCODER}
_TRUSTED_ACTIVATION = "torch.nn."


def read_reranker_spec(name: str, folder: Path) -> RerankerSpec:
    """The spec of the reranker in ``folder``, as sentence-transformers or transformers saves them.

    Raises:
        ModelError: code "model-missing", "model-unsafe", "model-unreadable" or "model-unsupported".
    """
    has_steps = (folder / "modules.json").is_file()
    check_folder(folder, marks=("modules.json",) if has_steps else ("config.json",))
    try:
        family = _family_of_steps(folder) if has_steps else _family_of_head(folder)
        _check_configs(folder, family)
    except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise ModelError(
            f"reranker folder {folder} cannot be used: its configuration has a wrong value ({error}); copy the whole "
            "folder again",
            code="model-unreadable",
        ) from error
    files = json.dumps([family, *hash_files(folder)], separators=(",", ":"))
    return RerankerSpec(name, family, hashlib.sha256(files.encode()).hexdigest()[:32], licence_of(folder))


def _family_of_steps(folder: Path) -> str:
    steps = _steps(folder)
    kinds = [kind for kind, _ in steps]
    model_type = read_object(folder / "config_sentence_transformers.json", optional=True).get("model_type")
    family = _FAMILY_OF_TYPE.get(str(model_type))
    if family is None:
        found = (("SpladePooling", SPLADE), ("MultiVectorMask", COLBERT), ("LogitScore", CROSS_ENCODER))
        family = next((family for mark, family in found if mark in kinds), None)
    if family is None:
        raise _unsupported(folder, f"the steps {', '.join(kinds)}", "SPLADE, ColBERT-style and cross-encoder models")
    strange = [kind for kind in kinds if kind not in _STEPS[family]]
    if strange or kinds[0] not in ("Transformer", "MLMTransformer"):
        raise _unsupported(folder, f"the steps {', '.join(kinds)}", ", ".join(sorted(_STEPS[family])))
    for kind, path in steps:
        if kind == "Dense":
            _check_activation(folder, read_object(folder / path / "config.json").get("activation_function"))
    return family


def _steps(folder: Path) -> Sequence[tuple[str, str]]:
    steps = []
    for entry in read_json(folder / "modules.json"):
        reference, path = str(entry["type"]), str(entry.get("path", ""))
        match = _MODULE.fullmatch(reference)
        if match is None:
            raise _unsupported(folder, f"step {reference[:80]!r}", "steps of sentence-transformers itself")
        if path.startswith(("/", "\\")) or ".." in Path(path).parts:
            raise ModelError(f"reranker folder {folder}: step path {path!r} leads out of it", code="model-unsafe")
        steps.append((match[1], path))
    return steps


def _family_of_head(folder: Path) -> str:
    heads = [str(each) for each in read_object(folder / "config.json").get("architectures") or []]
    for end, family in _FAMILY_OF_HEAD.items():
        if any(head.endswith(end) for head in heads):
            return family
    raise _unsupported(folder, f"a model {', '.join(heads) or 'without a head'}", ", ".join(_FAMILY_OF_HEAD))


def _check_configs(folder: Path, family: str) -> None:
    config = read_object(folder / "config.json", optional=True)
    if config.get("auto_map"):
        raise _unsupported(folder, "code of its own (auto_map)", "architectures of transformers itself")
    if family != CROSS_ENCODER:
        return
    labels = config.get("id2label") or {}
    if len(labels) > 1 or int(config.get("num_labels") or 1) > 1:
        raise _unsupported(folder, f"{max(len(labels), 2)} labels", "one score for a pair of texts")
    own = config.get("sentence_transformers") or {}
    saved = read_object(folder / "config_sentence_transformers.json", optional=True)
    for holder in (own, saved):
        _check_activation(folder, holder.get("activation_fn"))
    _check_activation(folder, config.get("sbert_ce_default_activation_function"))


def _check_activation(folder: Path, name: object) -> None:
    """The library imports what stands there and calls it."""
    if name is not None and not str(name).startswith(_TRUSTED_ACTIVATION):
        raise _unsupported(folder, f"activation {str(name)[:80]!r}", f"those of {_TRUSTED_ACTIVATION}*")


def _unsupported(folder: Path, given: str, allowed: str) -> ModelError:
    return ModelError(
        f"reranker folder {folder} uses {given}; supported: {allowed}; choose another model", code="model-unsupported"
    )
