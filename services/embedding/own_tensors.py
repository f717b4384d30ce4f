"""Taking tensors out of a model folder only in the shape in which the code uses them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from services.errors import ModelError


def tensor_of(
    folder: Path, tensors: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], kinds: str = "f"
) -> NDArray[Any]:
    """A tensor that is what the manifest makes one expect; -1 in ``shape`` stands for any size.

    Args:
        kinds: numpy kinds of number that may stand in it: "f" floating point, "i" signed.

    Raises:
        ModelError: code "model-unreadable".
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise unreadable(folder, f"tensor {name!r} is missing")
    fits = tensor.ndim == len(shape) and all(
        wanted in (-1, found) for wanted, found in zip(shape, tensor.shape, strict=True)
    )
    if not fits or tensor.dtype.kind not in kinds:
        raise unreadable(
            folder, f"tensor {name!r} is {tensor.dtype} of shape {tensor.shape}, expected are numbers of shape {shape}"
        )
    return tensor


def whole_number(folder: Path, settings: Mapping[str, object], name: str, least: int, most: int) -> int:
    """A setting of a manifest that must be a whole number in a range.

    Raises:
        ModelError: code "model-unreadable".
    """
    value = settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise unreadable(folder, f"its setting {name!r} is {str(value)[:40]!r}, allowed is {least} to {most}")
    return value


def row_numbers(folder: Path, vocabulary: list[str]) -> dict[str, int]:
    """Each word's row.

    Raises:
        ModelError: code "model-unreadable", a word stands twice or there is none.
    """
    rows = {word: row for row, word in enumerate(vocabulary)}
    if not rows or len(rows) != len(vocabulary):
        raise unreadable(folder, "its vocabulary is empty or names a word twice")
    return rows


def unreadable(folder: Path, why: str) -> ModelError:
    """The error of a folder that does not hold what its manifest says."""
    return ModelError(
        f"model folder {folder} cannot be used: {why}; copy the whole folder again, or train the model again",
        code="model-unreadable",
    )
