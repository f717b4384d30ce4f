"""What a transformer makes of each of its tokens alone: torch, imported only by the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from services.embedding.training.texts import Pulse
from services.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 256


def lone_token_states(folder: Path, tokenizer: Tokenizer, numbers: list[int], pulse: Pulse) -> NDArray[np.float32]:
    """Mean of the last states of each token between the special tokens that the model expects.

    Args:
        folder: checked, with ``config.json`` and safetensors weights.
        numbers: of the tokens.

    Returns:
        float32, shape (len(numbers), width of the model).

    Raises:
        ModelError: code "model-unreadable".
    """
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        model = AutoModel.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    except Exception as error:  # whatever the library raises about a folder means the same
        raise ModelError(
            f"the transformer in {folder} cannot be loaded ({type(error).__name__}: {str(error)[:200]}); copy the "
            "whole folder again or choose another base",
            code="model-unreadable",
        ) from error
    model.eval()
    before, after = _frame(tokenizer)
    found = []
    with torch.inference_mode():
        for start in range(0, len(numbers), _BATCH):
            pulse.beat()
            rows = [[*before, number, *after] for number in numbers[start : start + _BATCH]]
            ids = torch.tensor(rows)
            states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            found.append(np.array(states.mean(dim=1).float().numpy(), dtype=np.float32))
    return np.concatenate(found)


def _frame(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text, from how a text of one letter is encoded."""
    encoding = tokenizer.encode("a")
    inner = [position for position, special in enumerate(encoding.special_tokens_mask) if not special]
    if not inner:
        return [], []
    return encoding.ids[: inner[0]], encoding.ids[inner[-1] + 1 :]
