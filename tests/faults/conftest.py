"""The figures of a run are printed at its end, with the seed that replays it."""

from __future__ import annotations

import pytest

from tests.faults.harness import figures, plan


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = figures.table()
    if lines:
        terminalreporter.section(f"fault suite, seed {plan.SEED}, {'full' if plan.FULL else 'short'} form", sep="-")
        for line in lines:
            terminalreporter.line(line)


def pytest_sessionfinish() -> None:
    figures.write()
