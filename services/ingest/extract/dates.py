"""Dates of mails and feeds, made into the two forms the product keeps: YYYY-MM-DD, or RFC 3339 with a time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.ingest.extract.properties import iso_date

_MOST_CHARS = 100


def read_date(text: str) -> str:
    """The date that ``text`` names by ISO 8601 or as mails do (RFC 5322); "" when it is neither or no possible day."""
    text = text.strip()[:_MOST_CHARS]
    if text[:4].isdecimal():
        return iso_date(text)
    try:
        return date_text(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def date_text(value: datetime | None) -> str:
    """``value`` in UTC where it says its zone; else the day alone, because a time without a zone is no moment."""
    if value is None:
        return ""
    try:
        shown = value.astimezone(UTC).isoformat(timespec="seconds") if value.tzinfo else f"{value:%Y-%m-%d}"
    except (OverflowError, ValueError):
        return ""
    return iso_date(shown.replace("+00:00", "Z"))
