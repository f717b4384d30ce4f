"""Loads sentence-transformers models, and only complete ones that do what their configuration says."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.sentence_transformer import SentenceTransformerEmbedder
from services.embedding.backends.vocabulary import check_vocabulary
from services.embedding.spec import ModelSpec
from services.embedding.vectors import check_vectors
from services.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PROBE = "Which file holds the settings?\n  It is read once, at the start. "
_PROBE_TOKENS = 15
_PROBE_MAX_TOKENS = 512
_PROBE_TOLERANCE = 1e-4


def load_sentence_transformer(
    spec: ModelSpec, folder: Path, *, threads: int, batch_tokens: int, why: str = ""
) -> SentenceTransformerEmbedder:
    """Loads a checked folder on the CPU in fp32.

    Args:
        folder: has passed ``check_folder``.
        threads: forward passes that run side by side, each on one core; 0: as many as the process has cores.
            torch itself is set to one thread, process-wide.
        batch_tokens: budget of one forward pass.
        why: what the runtime says of itself.

    Raises:
        ModelError: code "model-unreadable" (the library refuses it, weights lack tensors) or "model-changed" (it does
            not do what its configuration says).
    """
    with _no_garbage_collection():
        import torch

        torch.set_num_threads(1)
        model = _load_fast(spec, folder)
        streams = threads or len(os.sched_getaffinity(0))
        embedder = SentenceTransformerEmbedder(spec, model, streams=streams, batch_tokens=batch_tokens, why=why)
    # torch and transformers leave 430,000 long-lived objects, and a full collection over them stops every thread
    # for 0.3 s, in the middle of somebody's search. Frozen, they are not looked at again.
    gc.freeze()
    return embedder


def load_plain(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    """The library's model in fp32 on the CPU with nothing changed: what every other runtime is held against.

    Raises:
        ModelError: as ``load_sentence_transformer``.
    """
    model = _load(spec, folder)
    _check_output(spec, folder, model)
    return model


def _load_fast(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    """The model with packed linear layers, if that changes nothing but the speed."""
    from services.embedding.backends.packed_linear import can_pack, pack_linears

    model = _load(spec, folder)
    before = _check_output(spec, folder, model)
    if not can_pack():
        return model
    try:
        pack_linears(model)
        moved = float(np.abs(_probe(spec, model) - before).max())
    except Exception:  # noqa: BLE001 - any failure of a private operator or of code that reads weights has one answer
        moved = float("inf")
    return model if moved <= _PROBE_TOLERANCE else _load(spec, folder)


def _probe(spec: ModelSpec, model: SentenceTransformer) -> NDArray[np.float32]:
    """The vector of a text as long as the model takes (512 tokens at most, for models that take thousands)."""
    repeats = min(spec.max_tokens, _PROBE_MAX_TOKENS) // _PROBE_TOKENS + 1
    return SentenceTransformerEmbedder(spec, model, streams=1, batch_tokens=1).embed_documents([_PROBE * repeats])


def _load(spec: ModelSpec, folder: Path) -> SentenceTransformer:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        if not (folder / "modules.json").is_file():
            from services.embedding.pretrained.building import build_bare

            model = build_bare(spec, folder)
        else:
            model = SentenceTransformer(
                str(folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
    except ModelError:
        raise
    except Exception as error:  # whatever four libraries raise about a folder means the same
        raise ModelError(
            f"model folder {folder} cannot be loaded ({type(error).__name__}: {_first_line(error)}); copy the whole "
            "folder again or choose another model",
            code="model-unreadable",
        ) from error
    model.eval()
    _check_complete(folder, model)
    _check_limit(spec, folder, model)
    _check_vocabulary(folder, model)
    return model


def _check_complete(folder: Path, model: SentenceTransformer) -> None:
    """The library fills tensors that the weights lack with random numbers and only logs it.

    Each loaded parameter carries a mark. A pooler may be absent: its output is not used by any Pooling step.
    """
    backbone = model.transformers_model
    if backbone is None:
        return
    missing = [
        name
        for name, parameter in backbone.named_parameters()
        if not getattr(parameter, "_is_hf_initialized", False) and "pooler" not in name
    ]
    if missing:
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} tensors, such as {missing[0]}; copy the whole folder again",
            code="model-unreadable",
        )


def _check_vocabulary(folder: Path, model: SentenceTransformer) -> None:
    backbone = model.transformers_model
    if backbone is not None:
        embeddings: Any = backbone.get_input_embeddings()
        check_vocabulary(folder, model.tokenizer.get_vocab(), int(embeddings.num_embeddings))


def _check_limit(spec: ModelSpec, folder: Path, model: SentenceTransformer) -> None:
    limit = model.max_seq_length
    if limit is None or limit < spec.max_tokens:
        raise ModelError(
            f"the model in {folder} reads at most {limit} tokens, its configuration says {spec.max_tokens}; copy the "
            "whole folder again",
            code="model-changed",
        )
    model.max_seq_length = spec.max_tokens


def _check_output(spec: ModelSpec, folder: Path, model: SentenceTransformer) -> NDArray[np.float32]:
    """A model that cannot do what its configuration says shows it now, not in the middle of somebody's upload."""
    try:
        vectors = _probe(spec, model)
        check_vectors(vectors, spec.dim)
    except Exception as error:  # a forward pass over a wrong configuration fails in any way there is
        raise ModelError(
            f"the model in {folder} does not make vectors of {spec.dim} numbers from {spec.max_tokens} tokens, as its "
            f"configuration says ({type(error).__name__}: {_first_line(error)}); copy the whole folder again",
            code="model-changed",
        ) from error
    return vectors


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Importing torch and transformers makes so many objects that collections take 0.5 to 1 s of its 4 to 5 s."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
