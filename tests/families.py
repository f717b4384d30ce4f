"""A small model of every family, made on the spot: each goes through the embedder's contract."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

Builder = Callable[[Path], str]
"""Trains or initialises a tiny model in an empty folder and returns the name to load it by (mostly the folder)."""

# What the model is -> "module:function" of its builder, and whether loading it needs torch.
BUILDERS: dict[str, tuple[str, bool]] = {
    "sentence-transformers folder": ("tests.families:build_tiny", True),
}


def build(name: str, folder: Path) -> str:
    """Builds the model of that name."""
    module, _, function = BUILDERS[name][0].partition(":")
    return cast(Builder, getattr(import_module(module), function))(folder)


def build_tiny(folder: Path) -> str:
    """BERT of two layers with prompts, CLS pooling and a Dense step."""
    from tests.models import build_tiny_model

    return str(build_tiny_model(folder))
