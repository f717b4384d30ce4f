"""Which rerankers an operator offers: ``NEARFIELD_RERANKERS`` taken apart. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def parse_rerankers(value: str) -> Mapping[str, Path]:
    """Names to folders; an installed model's folder is its name, relative to the folder of installed models.

    A folder is offered under its last part, so that clients do not learn where it lies.

    Raises:
        ValueError: a name that cannot be one, or two of the same.
    """
    offered: dict[str, Path] = {}
    for part in filter(None, (each.strip() for each in value.split(","))):
        folder = Path(part).expanduser()
        name = folder.name if folder.is_absolute() else part
        if not _NAME.fullmatch(name):
            raise ValueError(f"{part[:80]!r} names no reranker: give an installed model or an absolute folder")
        if name in offered:
            raise ValueError(f"two rerankers are called {name!r}; rename one folder")
        offered[name] = folder
    return offered
