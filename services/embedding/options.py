"""How models are loaded: what an operator decides, handed to every family's loader."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from services.embedding.providers.options import ProviderOptions
from services.embedding.spec import Role

DEFAULT_BATCH_TOKENS = 2048
"""Budget of one forward pass where none is given and none was measured."""


def prepared_models() -> Path:
    """Where ``make setup`` puts converted models: in the environment, so that every data folder has them at once."""
    return Path(sys.prefix) / "share" / "nearfield" / "openvino"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What a loader may use.

    Attributes:
        threads: cores that embed side by side; 0: all that the process may use.
        batch_tokens: budget of one forward pass (rows times longest row); 0: chosen by a short measurement where the
            runtime has one, else ``DEFAULT_BATCH_TOKENS``.
        device: "auto", "cpu" or "cuda".
        precision: "auto" (the fastest whose cosine to fp32 is at least 0.999), "fp32" or "bf16".
        cache_dir: where converted models and measurements are kept; None: nowhere.
        prepared_dir: where set-up has put converted models already; read, never written; None: nowhere.
        models_dir: where installed models are, for those that are made of another one; None: nowhere.
        first: the side that is asked first, and so tried when the model is loaded; runtimes that prepare queries and
            documents in different ways leave the other until it is asked.
        providers: which providers of embeddings may be asked, and for which models.
    """

    threads: int = 0
    batch_tokens: int = 0
    device: str = "auto"
    precision: str = "auto"
    cache_dir: Path | None = None
    prepared_dir: Path | None = None
    models_dir: Path | None = None
    first: Role = Role.DOCUMENT
    providers: ProviderOptions = field(default_factory=ProviderOptions)

    def cores(self) -> int:
        """``threads``, or what the process may use."""
        return self.threads or len(os.sched_getaffinity(0))
