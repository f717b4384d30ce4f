"""What `nearfield failures` and `nearfield jobs` say to people."""

from __future__ import annotations

from typing import Any

import click
import pytest

from cli.commands import failures, jobs

ROW = {
    "id": "d1",
    "title": "row 2",
    "source": "books/list.csv",
    "url": "",
    "error": {"code": "no-text", "message": "m"},
}


def test_a_title_stands_beside_the_file_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = {"failed": 2, "codes": [{"code": "no-text", "count": 2}]}
    named_by_file = {**ROW, "title": "", "source": "a.pdf"}
    failures._show("docs", reasons, [ROW, named_by_file], 20, as_json=False)
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert "row 2  (books/list.csv)" in lines
    assert "a.pdf" in lines


def test_several_collections_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    none: dict[str, Any] = {"failed": 0, "codes": []}
    failures._show_all({"a": none, "b": {"failed": 1200, "codes": [{"code": "x", "count": 1200}]}}, as_json=False)
    out = capsys.readouterr().out.split()
    assert out == ["COLLECTION", "REASON", "DOCUMENTS", "b", "x", "1,200"]
    failures._show_all({"a": none, "b": none}, as_json=False)
    assert capsys.readouterr().out == "No document has failed in any of the 2 collections.\n"


def test_a_reason_that_is_not_there_is_named_with_those_that_are() -> None:
    there = {"failed": 3, "codes": [{"code": "no-text", "count": 2}, {"code": "encrypted", "count": 1}]}
    with pytest.raises(click.UsageError, match="no-text, encrypted"):
        failures._require_code("no-txt", there)
    failures._require_code("encrypted", there)
    failures._require_code("anything", {"failed": 0, "codes": []})


@pytest.mark.parametrize(
    ("action", "answer", "sentence"),
    [
        ("cancel", {"cancelled": 0}, "Nothing was left to cancel."),
        ("cancel", {"cancelled": 1}, "1 document of the job is cancelled."),
        ("cancel", {"cancelled": 2}, "2 documents of the job are cancelled."),
        ("resume", {"waiting": 0}, "There is nothing to resume."),
        ("resume", {"waiting": 1}, "1 document of the job waits to be worked on."),
        ("retry", {"count": 1, "job_id": "j"}, "1 document is tried again (job j)."),
        ("retry", {"count": 0, "job_id": ""}, "There is nothing to try again."),
    ],
)
def test_jobs_are_told_in_numbers_that_fit(action: str, answer: dict[str, Any], sentence: str) -> None:
    assert jobs._said(action, answer) == sentence
