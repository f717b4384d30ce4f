"""Search hits as the page shows them: every untrusted part still plain text, every link already built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.collections.values import Collection, FieldSpec, FieldType
from services.search.values import Hit
from web.pages.state import FILTER_PREFIX, SearchState
from web.pages.words import number

MAX_FACT_VALUES = 3
DISTANCE_PX = 40
UNRELATED = 0.5


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the quiet line; ``narrowed`` is the search with this value as a filter, None where there is none."""

    label: str
    value: str
    narrowed: SearchState | None


@dataclass(frozen=True, slots=True)
class HitView:
    """A hit. ``place`` is where the passage stands: file, headings, page, outermost first.

    ``thumbnail`` is the address of a small picture, "" for what is none; ``download`` that of a sound.
    """

    title: str
    href: str
    place: tuple[str, ...]
    passage: str
    score: float
    facts: tuple[Fact, ...]
    address: str
    thumbnail: str = ""
    download: str = ""

    @property
    def distance(self) -> float:
        """Where the score stands on a line of ``DISTANCE_PX``: the same on the left, unrelated (0.5) on the right."""
        return round((1 - min(1.0, max(UNRELATED, self.score))) / (1 - UNRELATED) * DISTANCE_PX, 1)


def hit_view(
    hit: Hit, collection: Collection, state: SearchState, href: str, *, thumbnail: str = "", download: str = ""
) -> HitView:
    """A hit in words; ``href`` leads to the document with the passage marked."""
    title = hit.title or hit.source or hit.id
    return HitView(
        title=title,
        href=href,
        place=_place(hit, title),
        passage=hit.passage.text,
        score=hit.score,
        facts=_facts(hit.metadata, collection, state),
        address=hit.url,
        thumbnail=thumbnail,
        download=download,
    )


def _place(hit: Hit, title: str) -> tuple[str, ...]:
    parts = [hit.source] if hit.source and hit.source != title else []
    if hit.passage.heading and hit.passage.heading != title:
        parts.append(hit.passage.heading)
    if hit.passage.page is not None:
        parts.append(f"page {number(hit.passage.page)}")
    return tuple(parts)


def _facts(metadata: Mapping[str, Any], collection: Collection, state: SearchState) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for field in collection.fields:
        value = metadata.get(field.name)
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        facts.extend(
            _fact(field, single, state) for single in values[:MAX_FACT_VALUES] if single is not None and single != ""
        )
    return tuple(facts)


def _fact(field: FieldSpec, value: object, state: SearchState) -> Fact:
    label = field.name.replace("_", " ")
    key = FILTER_PREFIX + field.name
    if field.type is FieldType.TAG:
        return Fact(label, str(value), state.narrowed(key, str(value)))
    if field.type is FieldType.BOOLEAN:
        return Fact(label, "yes" if value else "no", state.narrowed(key, "true" if value else "false"))
    return Fact(label, str(value), None)  # numbers ungrouped: most are years
