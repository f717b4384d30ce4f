"""What documents say of themselves (title, author, date, language), made fit to be shown and filtered by.

Programs fill these fields with their own names and placeholders; such a value is worse than none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.types import words
from services.ingest.values import Extracted

_MAX_CHARS = 300
_PLACEHOLDERS = words(
    "(anonymous) anonymous (unspecified) unspecified untitled unknown none null n/a na title author user admin root "
    "python-docx (author) (title) powerpoint-präsentation"
) | {"powerpoint presentation", "microsoft office user", "user name", "normal.dot", "word document", "new document"}
_PRINTED_BY = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel|Office Word) - ", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:docx?|pptx?|xlsx?|pdf|rtf|odt|odp|indd|tex|dvi|ps)$", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d))?(?:[.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_LANGUAGE = re.compile(r"^([A-Za-z]{2})(?:[-_].*)?$")
_YEARS = range(1800, 2200)


@dataclass(frozen=True, slots=True)
class SelfDescription:
    """What a document says of itself, each "" when it says nothing usable."""

    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""


def finish(
    builder: TextBuilder, properties: SelfDescription, *, what: str, warnings: tuple[str, ...] = ()
) -> Extracted:
    """The result of an extractor.

    Raises:
        InvalidInput: code ``no-text``; there is no text in ``what`` ("the presentation").
    """
    text = builder.text()
    if not text:
        raise InvalidInput(
            f"{what} holds no text (only pictures, or nothing at all), so nothing in it can be searched", code="no-text"
        )
    return Extracted(
        text,
        properties.title,
        tuple(builder.headings),
        warnings,
        tuple(builder.pages),
        tuple(builder.blocks),
        properties.author,
        properties.date,
        properties.language,
    )


def clean_property(value: str | None) -> str:
    """``value`` on one line without control characters, "" for a placeholder; at most 300 characters."""
    text = " ".join(_SURROGATES.sub("", clean_text(value or "")).split())
    return "" if text.casefold() in _PLACEHOLDERS else text[:_MAX_CHARS]


def clean_title(value: str | None) -> str:
    """A title, without what print drivers make of it ("Microsoft Word - report.doc" is "report")."""
    text = clean_property(value)
    printed = _PRINTED_BY.sub("", text)
    return _EXTENSION.sub("", printed) if printed != text else text


def iso_date(value: str | None) -> str:
    """``value`` (ISO 8601 in any of its usual spellings) as RFC 3339, or YYYY-MM-DD without an offset; else ""."""
    text = (value or "").strip()
    moment = _MOMENT.match(text)
    if moment and moment.group(4):
        offset = moment.group(4).upper()
        offset = offset if offset == "Z" or ":" in offset else f"{offset[:3]}:{offset[3:]}"
        shown = f"{moment.group(1)}T{moment.group(2)}:{moment.group(3) or '00'}{offset}"
        try:
            return shown if datetime.fromisoformat(shown).year in _YEARS else ""
        except ValueError:
            return ""
    day = _DAY.match(text)
    try:
        return day.group() if day and date.fromisoformat(day.group()).year in _YEARS else ""
    except ValueError:
        return ""


def language_code(value: str | None) -> str:
    """The ISO 639-1 code of a language tag ("de-AT" is "de"), "" for what is none."""
    match = _LANGUAGE.match((value or "").strip())
    return match.group(1).lower() if match else ""
