"""At the end of a run: how many tests were skipped, and why, so that a green run cannot hide what it did not test."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, in one line."""
    said: Any = report.longrepr
    text = said[2] if isinstance(said, tuple) else str(said)
    return " ".join(text.removeprefix("Skipped: ").split()) or "no reason given"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(reason_of(report) for report in reports)
    terminalreporter.section(f"skipped: {len(reports)}", sep="-")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5}  {reason}")
