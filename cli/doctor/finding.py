"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """OK; WARNING: it works, but not for long or not well; FAILED: it does not work; SKIPPED: not looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. ``advice`` says what to do; it is there whenever the health is not OK."""

    name: str
    health: Health
    detail: str
    advice: str = ""


def ok(name: str, detail: str) -> Finding:
    """A check that passed."""
    return Finding(name, Health.OK, detail)


def warning(name: str, detail: str, advice: str) -> Finding:
    """A check that passed only just."""
    return Finding(name, Health.WARNING, detail, advice)


def failed(name: str, detail: str, advice: str) -> Finding:
    """A check that failed."""
    return Finding(name, Health.FAILED, detail, advice)


def skipped(name: str, detail: str, advice: str = "") -> Finding:
    """A check that does not apply here."""
    return Finding(name, Health.SKIPPED, detail, advice)
