"""What a document says of itself beside its text, and how that becomes metadata where its owner said nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from services.collections.values import Collection
from services.errors import InvalidInput
from services.index.metadata import validate_metadata
from services.ingest.values import Extracted

NAMES = ("author", "date", "language", "pages")
"""Members of metadata that are taken from the document where the client gave none of that name."""


@dataclass(frozen=True, slots=True)
class Properties:
    """Kept beside an extracted text, so that a change of metadata alone needs no second reading.

    ``pages`` is the number of pages (slides, sheets) that have text, 0 where there are none. ``warnings`` are those of
    reading it.
    """

    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""
    pages: int = 0
    warnings: tuple[str, ...] = ()

    @staticmethod
    def of(extracted: Extracted) -> Properties:
        """Those of a document that has just been read."""
        return Properties(
            title=extracted.title,
            author=extracted.author,
            date=extracted.date,
            language=extracted.language,
            pages=len({page.number for page in extracted.pages}),
            warnings=extracted.warnings,
        )

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_json(value: Any) -> Properties:
        """From what was kept; members of another type are left out."""
        if not isinstance(value, dict):
            return Properties()
        texts = {
            name: value[name] for name in ("title", "author", "date", "language") if isinstance(value.get(name), str)
        }
        pages, warnings = value.get("pages"), value.get("warnings")
        return Properties(
            **texts,
            pages=pages if type(pages) is int and pages > 0 else 0,
            warnings=tuple(item for item in warnings if isinstance(item, str)) if isinstance(warnings, list) else (),
        )


def with_properties(
    given: Mapping[str, Any], found: Properties, collection: Collection
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """A document's metadata with what it says of itself; what the client gave always wins.

    Returns:
        The metadata, and warnings about what does not fit a declared field and was left out.
    """
    merged = dict(given)
    warnings = []
    for name, value in _told(found):
        if name in merged:
            continue
        try:
            validate_metadata({**merged, name: value}, collection)
        except InvalidInput as error:
            warnings.append(f"its {name} ({str(value)[:60]}) was left out of the metadata: {error.message}"[:300])
        else:
            merged[name] = value
    return merged, tuple(warnings)


def _told(found: Properties) -> Iterator[tuple[str, str | int]]:
    for name in NAMES:
        value = getattr(found, name)
        if value:
            yield name, value
