"""What `nearfield status` says of the keeper's running audit."""

from __future__ import annotations

import pytest

from cli.commands import status

WHEN = "2026-11-18T10:26:40.123Z"


def test_nothing_is_said_before_the_first_round(capsys: pytest.CaptureFixture[str]) -> None:
    status._show_audit(None)
    assert capsys.readouterr().out == ""


def test_a_round_without_findings_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status._show_audit({"ended_at": WHEN, "found": 0, "findings": []})
    assert capsys.readouterr().out == "  last audit 2026-11-18 10:26:40 UTC: nothing found\n"


def test_findings_are_listed_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    status._show_audit({"ended_at": WHEN, "found": 1200, "findings": ["docs: 3 \x07documents"]})
    first, second = capsys.readouterr().out.splitlines()
    assert "1,200 found" in first
    assert "`nearfield audit`" in first
    assert second.startswith("    docs: 3 ")
    assert "\x07" not in second
