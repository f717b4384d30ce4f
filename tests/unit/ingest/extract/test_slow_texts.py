"""Texts made to take long: work is bounded by what is looked at, and told as it goes on."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from services.ingest.extract import markdown
from services.ingest.extract.markdown import extract_markdown
from services.ingest.extract.rst import extract_rst


@pytest.mark.parametrize("text", ["![a" * 30_000, "[" * 5_000 + "x" + "]" * 5_000])
def test_brackets_without_end_are_plain_text(text: str) -> None:
    found = extract_markdown(f"before *this*\n\n{text}\n".encode(), lambda: None)
    assert found.text == f"before this\n\n{text}"
    assert found.warnings == ("1 paragraphs with very many open brackets were taken as plain text",)


def test_brackets_that_people_write_are_read() -> None:
    text = "[![badge](b.png)](link) and [a](b) " * 200
    found = extract_markdown(text.encode(), lambda: None)
    assert found.text == ("badge and a " * 200).strip()
    assert not found.warnings


@pytest.mark.parametrize(
    "text", ["plain", "a  \nb", "x &amp; y", "\\* 1", "`c` <b> ~~d~~ _e_", "tab\there", "a: b | c"]
)
def test_the_short_way_for_plain_words_gives_what_the_parser_gives(text: str) -> None:
    (token,) = (token for token in markdown._PARSER.parse(text, {"tick": lambda: None, "unread": 0}) if token.children)
    (expected,) = (token for token in MarkdownIt("commonmark").enable("strikethrough").parse(text)
                   if token.children)  # fmt: skip
    assert [child.as_dict() for child in token.children or ()] == [child.as_dict() for child in expected.children or ()]


def test_progress_is_told_within_a_part() -> None:
    told: list[None] = []
    extract_markdown(b"- item\n" * 2_000, lambda: told.append(None))
    assert len(told) >= 20


def test_a_line_of_blanks_is_no_border_and_takes_no_time() -> None:
    """100 kB took 26 s when a pattern looked for borders."""
    found = extract_rst(b"a\n" + b" " * 300_000 + b"x\n\n+--+\n|  |\nwords\n ===  ==\n", lambda: None)
    assert found.text == "a\n" + " " * 300_000 + "x\n\nwords"
