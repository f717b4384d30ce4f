"""How much arithmetic the model needs, and how much the machine can do: the share is what a runtime makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

_SIDE = 2048


def model_flop(folder: Path, lengths: Sequence[int]) -> float:
    """Floating-point operations that a BERT-like model needs for texts of these lengths in tokens, padding excluded.

    Per token and layer: four products of hidden x hidden and two of hidden x intermediate, a multiplication and an
    addition each; and for attention two products of hidden x length. Everything else (GELU, norms, softmax) is left
    out: MiniLM needs 21.2 MFLOP per token and 9.2 kFLOP more for each token that stands beside it.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    linear = 2 * (4 * hidden * hidden + 2 * hidden * inner) * layers
    beside = 4 * hidden * layers
    return float(sum(length * (linear + beside * length) for length in lengths))


def product_rate(threads: int, seconds: float = 0.4) -> float:
    """FLOP/s of a bf16 matrix product of 2,048 x 2,048 x 2,048 in torch, on all cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        left, right = (torch.randn(_SIDE, _SIDE).to(torch.bfloat16) for _ in range(2))
        torch.matmul(left, right)
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            torch.matmul(left, right)
            done += 1
        return done * 2 * _SIDE**3 / (time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
