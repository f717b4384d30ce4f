"""The filters of a collection as form controls: one control per declared field, filled from the search's state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.collections.values import Collection, FieldSpec, FieldType
from web.pages.state import FILTER_PREFIX, SearchState

MAX_CHOICES = 8
MAX_CHOICE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that can be ticked."""

    value: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Control:
    """One field's control. ``choices`` for tags, ``low`` and ``high`` for ranges, ``value`` for a boolean."""

    name: str
    type: FieldType
    choices: tuple[Choice, ...] = ()
    low: str = ""
    high: str = ""
    value: str = ""

    @property
    def key(self) -> str:
        """The URL parameter of this field."""
        return FILTER_PREFIX + self.name

    @property
    def label(self) -> str:
        """The field's name for people: "build_time" is shown as "build time"."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class ActiveFilter:
    """A filter in force, for the list of what narrows the results."""

    key: str
    value: str
    words: str


def controls_of(
    collection: Collection, state: SearchState, suggested: Mapping[str, tuple[str, ...]]
) -> tuple[Control, ...]:
    """A control for every declared field, in the order of their declaration.

    Args:
        collection: whose fields they are.
        state: the values in force.
        suggested: values to offer for tag fields, by field name, best first.
    """
    return tuple(_control(field, state, suggested.get(field.name, ())) for field in collection.fields)


def _control(field: FieldSpec, state: SearchState, suggested: tuple[str, ...]) -> Control:
    key = FILTER_PREFIX + field.name
    given = state.values(key)
    if field.type is FieldType.TAG:
        offered = [value for value in dict.fromkeys(suggested) if value not in given]
        offered = offered[: max(0, MAX_CHOICES - len(given))]
        # In one order, chosen or not: a box that jumps away when it is ticked takes the reader's place with it.
        choices = tuple(Choice(value, value in given) for value in sorted({*given, *offered}, key=str.casefold))
        return Control(field.name, field.type, choices=choices)
    if field.type is FieldType.BOOLEAN:
        return Control(field.name, field.type, value=given[0] if given else "")
    return Control(
        field.name, field.type, low=_first(state.values(key + ".gte")), high=_first(state.values(key + ".lte"))
    )


def active_filters(state: SearchState) -> tuple[ActiveFilter, ...]:
    """The filters in force in words, whatever fields they name."""
    found = []
    for key, value in state.filters:
        name = key.removeprefix(FILTER_PREFIX)
        for ending, word in ((".gte", "from"), (".gt", "above"), (".lte", "up to"), (".lt", "below")):
            if name.endswith(ending):
                found.append(ActiveFilter(key, value, f"{name.removesuffix(ending).replace('_', ' ')} {word}"))
                break
        else:
            found.append(ActiveFilter(key, value, name.replace("_", " ")))
    return tuple(found)


def suggest_tags(collection: Collection, metadata: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Tag values worth offering: the most frequent ones of some documents' metadata, by field, one more than fit."""
    seen: dict[str, Counter[str]] = {
        field.name: Counter() for field in collection.fields if field.type is FieldType.TAG
    }
    for entry in metadata:
        for name, counter in seen.items():
            value = entry.get(name)
            values = value if isinstance(value, (list, tuple)) else (value,)
            counter.update(v for v in values if isinstance(v, str) and 0 < len(v) <= MAX_CHOICE_CHARS)
    return {name: tuple(value for value, _ in counter.most_common(MAX_CHOICES + 1)) for name, counter in seen.items()}


def _first(values: tuple[str, ...]) -> str:
    return values[0] if values else ""
