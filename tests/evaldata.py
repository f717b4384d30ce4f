"""Where the evaluation sets lie: the setting NEARFIELD_EVAL_DATA, or a folder ``shared/data`` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def evaluation_folder(name: str) -> Path:
    """The folder of one evaluation set; skips the calling test, saying so, where it is not on this machine."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    base = Path(os.environ.get("NEARFIELD_EVAL_DATA") or beside)
    folder = base / name
    if not folder.exists():
        pytest.skip(f"evaluation set {name} not found; set NEARFIELD_EVAL_DATA")
    return folder
