"""What a model folder says of itself: its JSON files and the header of its card."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.errors import ModelError

Json = Mapping[str, Any]

_LICENCE = re.compile(r"\A---\n(?:.*\n)*?license:\s*(\S+)", re.MULTILINE)
_CARD_CHARS = 4096
_MOST_WHY_CHARS = 300


def read_object(path: Path, *, optional: bool = False) -> Json:
    """A JSON object; an empty one where the file is absent and ``optional``.

    Raises:
        ModelError: code "model-missing" or "model-unreadable".
    """
    if optional and not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise unreadable(path, "it does not hold a JSON object")
    return content


def read_json(path: Path) -> Any:
    """Whatever JSON a file holds; raises as ``read_object``."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"model file {path} is missing; copy the whole folder again", code="model-missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, str(error)) from error


def peek_json(path: Path) -> Any:
    """The same to find out what kind of folder it is: None where there is nothing to be read."""
    try:
        return read_json(path)
    except ModelError:
        return None


def unreadable(path: Path, why: str) -> ModelError:
    """The error of a file that does not hold what it should."""
    return ModelError(
        f"model file {path} cannot be used: {why[:_MOST_WHY_CHARS]}; correct it, or copy the whole folder again",
        code="model-unreadable",
    )


def prompts_of(settings: Json) -> tuple[str, str]:
    """The prompts for queries and for documents in ``config_sentence_transformers.json``; "" where there are none."""
    prompts = settings.get("prompts") or {}
    document = prompts.get("document") or prompts.get("passage") or prompts.get("corpus")
    return str(prompts.get("query") or ""), str(document or "")


def licence_of(folder: Path) -> str:
    """What the model card's header states; "unknown" if it is silent."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as file:
            header = file.read(_CARD_CHARS)
    except OSError:
        return "unknown"
    match = _LICENCE.match(header)
    return match[1].lower() if match else "unknown"
