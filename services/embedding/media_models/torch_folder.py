"""Loads transformers folders of pictures and sounds: safetensors only, no code of theirs, complete, as promised."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.embedding.spec import ModelSpec
from services.embedding.vectors import check_vectors
from services.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

T = TypeVar("T")


def load_model(kind: type[Any], folder: Path, **settings: bool) -> PreTrainedModel:
    """A model in fp32 on the CPU, ready to embed; one thread for each forward pass, as in the other families.

    Args:
        kind: the transformers class.
        settings: of its constructor, such as ``add_pooling_layer``.

    Raises:
        ModelError: code "model-unreadable", it cannot be loaded or its weights lack tensors.
    """
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]

    def load() -> tuple[PreTrainedModel, dict[str, Any]]:
        found: tuple[PreTrainedModel, dict[str, Any]] = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **settings,
        )
        return found

    model, told = read_part(folder, load)
    missing = sorted(told["missing_keys"])
    if missing:  # the library fills them with random numbers and goes on
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} tensors, such as {missing[0]}; copy the whole folder again",
            code="model-unreadable",
        )
    model.eval()  # type: ignore[no-untyped-call]
    return model


def read_part(folder: Path, load: Callable[[], T]) -> T:
    """What ``load`` gives; whatever a library raises about a folder means the same to whoever copied it.

    Raises:
        ModelError: code "model-unreadable".
    """
    try:
        return load()
    except Exception as error:  # transformers, tokenizers and safetensors raise anything
        raise ModelError(
            f"model folder {folder} cannot be loaded ({type(error).__name__}: {_first_line(error)}); copy the whole "
            "folder again or choose another model",
            code="model-unreadable",
        ) from error


def check_side(spec: ModelSpec, folder: Path, side: str, embed: Callable[[], NDArray[np.float32]]) -> None:
    """Embeds something now, so that a wrong configuration does not show in the middle of somebody's upload.

    Raises:
        ModelError: code "model-changed".
    """
    try:
        check_vectors(embed(), spec.dim)
    except Exception as error:  # a forward pass over a wrong configuration fails in any way there is
        raise ModelError(
            f"the model in {folder} does not make vectors of {spec.dim} numbers from {side}, as its configuration "
            f"says ({type(error).__name__}: {_first_line(error)}); copy the whole folder again",
            code="model-changed",
        ) from error


def settle_memory() -> None:
    """Takes what torch and transformers have made, 430,000 objects, out of the collector's sight (see backends)."""
    gc.freeze()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
