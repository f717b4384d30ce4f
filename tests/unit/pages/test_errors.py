"""Problems in words for people."""

from __future__ import annotations

import pytest

from web.errors import STATUS_OF, Problem
from web.pages.errors import heading_of, sentence_of


def problem(code: str, detail: str, status: int = 422) -> Problem:
    return Problem(status, "Title", detail, code)


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("the query is empty; write some words", "The query is empty; write some words."),
        ("bad.txt: this cannot be read.", "bad.txt: this cannot be read."),
        ("'x' is not a number", "'x' is not a number."),
        ("<b>: odd", "<b>: odd."),
        ("", ""),
    ],
)
def test_sentences_have_a_capital_and_a_stop(detail: str, said: str) -> None:
    assert sentence_of(problem("some-code", detail)) == said


def test_what_speaks_to_programs_is_said_to_people() -> None:
    missing = problem("no-such-route", "there is nothing at this address; /openapi.json lists every route", 404)
    assert heading_of(missing) == "There is no such page"
    assert "openapi" not in sentence_of(missing)


@pytest.mark.parametrize("status", sorted({status for status, _ in STATUS_OF.values()} - {404}))
def test_every_status_has_a_heading_of_its_own(status: int) -> None:
    assert heading_of(problem("never-heard-of", "x", status)) != "Title"
