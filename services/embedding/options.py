"""How models are loaded: what an operator decides, handed to every family's loader."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a loader may use.

    Attributes:
        threads: cores that embed side by side; 0: all that the process may use.
        batch_tokens: budget of one forward pass (rows times longest row); 0: chosen by a short measurement where the
            family has one, else 2,048.
        device: "auto", "cpu" or "cuda".
        precision: "auto" (the fastest whose cosine to fp32 is at least 0.999), "fp32" or "bf16".
        cache_dir: where converted models and measurements are kept; None: nowhere.
        models_dir: where installed models are, for those that are made of another one; None: nowhere.
    """

    threads: int = 0
    batch_tokens: int = 2048
    device: str = "auto"
    precision: str = "auto"
    cache_dir: Path | None = None
    models_dir: Path | None = None

    def cores(self) -> int:
        """``threads``, or what the process may use."""
        return self.threads or len(os.sched_getaffinity(0))
