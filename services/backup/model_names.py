"""Which members of a backup belong to installed models, and what they may be called.

models/<name>.json       the record of an installed model
models/<name>/<path>     its files
models/default.json      which model new collections get, if somebody chose one
"""

from __future__ import annotations

from services.embedding.installing.default import FILE as DEFAULT_FILE
from services.embedding.installing.names import check_installed_name
from services.errors import NearfieldError

MODELS = "models"
DEFAULT = f"{MODELS}/{DEFAULT_FILE}"
RECORD_SUFFIX = ".json"
MOST_RECORD_BYTES = 16 << 20
"""Of a record, which is held in memory: 2,000 files take a quarter of a megabyte."""
MOST_DEFAULT_BYTES = 64 << 10
_MOST_PARTS = 10
_MOST_PART_BYTES = 255


def is_model_member(name: str) -> bool:
    """Whether a member of this name belongs to an installed model; no other may lie below ``models``."""
    top, _, rest = name.partition("/")
    first, _, path = rest.partition("/")
    if top != MODELS:
        return False
    if path:
        return is_model_name(first) and is_model_path(path)
    return name == DEFAULT or (first.endswith(RECORD_SUFFIX) and is_model_name(first.removesuffix(RECORD_SUFFIX)))


def is_model_name(name: object) -> bool:
    """Whether a model can have been installed under this name."""
    try:
        return isinstance(name, str) and bool(check_installed_name(name))
    except NearfieldError:
        return False


def is_model_path(path: str) -> bool:
    """Whether a file of a model may lie here, relative to its folder: never outside of it, and shown as it is."""
    parts = path.split("/")
    return len(parts) <= _MOST_PARTS and all(_is_part(part) for part in parts)


def _is_part(part: str) -> bool:
    if part in ("", ".", "..") or "\\" in part or not part.isprintable():
        return False
    return len(part.encode("utf-8")) <= _MOST_PART_BYTES
