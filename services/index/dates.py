"""Dates: RFC 3339 in, seconds since the epoch out. Years 1 to 9999."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.errors import InvalidInput
from services.index.wording import shown

DAY_S = 86_400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?(?:([Zz])|([+-]\d{2}:\d{2}))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, seconds since the epoch; ``whole_day`` when only the day was given (from 00:00 UTC on)."""

    seconds: float
    whole_day: bool


def parse_moment(value: object, pointer: str) -> Moment:
    """Reads ``2026-11-20`` or ``2026-11-20T21:22:00+01:00`` (a fraction is kept to the microsecond).

    Raises:
        InvalidInput: no such date; an offset is missing; a leap second.
    """
    try:
        return _parse(value)
    except ValueError as error:
        reason = f" ({error})" if isinstance(value, str) else ""
        raise InvalidInput(
            f"{shown(value)} is not a date{reason}; write RFC 3339 with an offset, such as "
            "2026-11-20T21:22:00Z, or a day, such as 2026-11-20",
            pointer=pointer,
            code="bad-date",
        ) from None


def _parse(value: object) -> Moment:
    if not isinstance(value, str):
        raise ValueError("no text")
    if _DAY.fullmatch(value):
        return Moment((date.fromisoformat(value) - _EPOCH.date()) / timedelta(seconds=1), whole_day=True)
    found = _INSTANT.fullmatch(value)
    if found is None:
        raise ValueError("not of that form")
    day, clock, fraction, _, offset = found.groups()
    instant = datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{offset or '+00:00'}")
    return Moment((instant - _EPOCH) / timedelta(seconds=1), whole_day=False)
