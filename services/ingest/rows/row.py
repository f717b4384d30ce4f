"""What a row, line or item means: its id, title, text, link, and the rest as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.errors import InvalidInput

ID_NAMES = ("id", "_id")
TITLE_NAMES = ("title",)
TEXT_NAMES = ("text", "body", "content", "abstract", "description", "summary")
URL_NAMES = ("url", "link")


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a source. ``id`` None: the source gives it one by its number."""

    id: str | None
    text: str
    title: str = ""
    url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def row_from_object(value: Any) -> Row:
    """A JSON object as a row; a text alone is a row too.

    Recognised names are taken in any case; what is left becomes metadata, and where no text is recognised all members
    become lines "name: value". A member ``metadata`` that is an object is spread.

    Raises:
        InvalidInput: no object, or an id, title, text or url of another type (code ``bad-row``).
    """
    if isinstance(value, str):
        return Row(None, value)
    if not isinstance(value, dict):
        raise _bad(f'it is {_shown(value)}; an object such as {{"title": ..., "text": ...}} is expected')
    rest = dict(value)
    document_id = _take(rest, ID_NAMES)
    if isinstance(document_id, int) and not isinstance(document_id, bool):
        document_id = str(document_id)
    title, url = _text_of(rest, TITLE_NAMES), _text_of(rest, URL_NAMES)
    text_name = _find(rest, TEXT_NAMES)
    text = _text_of(rest, TEXT_NAMES) if text_name else _as_lines(rest)
    nested = rest.pop("metadata", None)
    if isinstance(nested, dict):
        rest |= nested
    elif nested is not None:
        rest["metadata"] = nested
    if document_id is not None and not isinstance(document_id, str):
        raise _bad(f"its id is {_shown(document_id)}; a text or a whole number is expected")
    return Row(document_id or None, text, title, url, rest)


def row_from_cells(names: list[str], cells: list[str]) -> Row:
    """A CSV record as a row; blanks around cells are dropped, and empty cells.

    Raises:
        InvalidInput: more cells than the header has names (code ``bad-row``).
    """
    if len(cells) > len(names):
        raise _bad(f"it has {len(cells)} cells, the header names {len(names)}")
    return row_from_object({name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()})


def _find(members: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The member that has one of the names, the first name winning; an exact spelling before another case."""
    folded = {name.casefold().strip(): name for name in reversed(list(members))}
    for name in names:
        found = name if name in members else folded.get(name)
        if found is not None and members[found] is not None:
            return found
    return None


def _take(members: dict[str, Any], names: tuple[str, ...]) -> Any:
    name = _find(members, names)
    return None if name is None else members.pop(name)


def _text_of(members: dict[str, Any], names: tuple[str, ...]) -> str:
    name = _find(members, names)
    if name is None:
        return ""
    value = members.pop(name)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "\n".join(value)
    if isinstance(value, bool | dict | list):
        raise _bad(f"its {name} is {_shown(value)}; a text is expected")
    return str(value)


def _as_lines(members: Mapping[str, Any]) -> str:
    lines = []
    for name, value in members.items():
        if value is None or value == "":
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name}: {shown}")
    return "\n".join(lines)


def _bad(problem: str) -> InvalidInput:
    return InvalidInput(problem, code="bad-row")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", dict: "an object", list: "a list", str: "a text"}.get(type(value), "a number")
