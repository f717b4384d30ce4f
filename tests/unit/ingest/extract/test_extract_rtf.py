from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.rtf import extract_rtf
from services.ingest.values import BlockKind
from tests.unit.ingest.extract.office_samples import blocks_of, read

DOCUMENT = rb"""{\rtf1\ansi\ansicpg1252\deff0
{\fonttbl{\f0\fnil\fcharset0 Arial;}{\f1\fnil\fcharset204 Times;}{\f2\fcharset128 MS;}}
{\stylesheet{\s0 Normal;}{\s1 heading 1;}}
{\info{\title The Qu\'e4ys}{\author Ada Quay}{\creatim\yr2020\mo3\dy4\hr1\min2}}
{\*\generator Foo;}{\header on every page\par}
\pard\s1 Cranes\par
\pard Caf\'e9 and \u8364?uro, {\f1 \'cf\'f0\'e8\'e2\'e5\'f2} and {\f2 \'93\'fa\'96\'7b} \uc2\u-10179 ab\u-8704\'61\'62!{\footnote Since 1890.}\par
\pard\ls1{\listtext\bullet\tab}black\par tall\par
\pard\trowd\intbl name\cell tons\cell\row\trowd\intbl Big\par Tom\cell 40\cell\row
\pard \{braces\} {\v hidden}shown\line next\emdash {\pict\bin6 }}{{}}x}{\field{\*\fldinst HYPERLINK "http://x"}{\fldrslt link}}\par
}garbage"""  # noqa: E501


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_rtf(body, lambda: None)
    return raised.value.code


def test_a_document_in_its_order() -> None:
    found = read(extract_rtf, DOCUMENT)
    assert found.text == (
        "Cranes\n\nCafé and €uro, Привет and 日本 \U0001f600!\nNote: Since 1890.\n\n- black\n- tall\n\n"
        "name | tons\nBig Tom | 40\n\n{braces} shown\nnext—link"
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Cranes")]
    assert blocks_of(found, BlockKind.TABLE) == ["name | tons\nBig Tom | 40"]
    assert blocks_of(found, BlockKind.LIST_ITEM) == ["- black", "- tall"]
    assert (found.title, found.author, found.date) == ("The Quäys", "Ada Quay", "2020-03-04")
    assert found.warnings == ()


def test_an_outline_level_makes_a_heading() -> None:
    found = read(extract_rtf, rb"{\rtf1\pard\outlinelevel1 Ships\par\pard They go.\par}")
    assert [(heading.level, heading.text) for heading in found.headings] == [(2, "Ships")]


def test_a_file_that_was_cut_off_keeps_what_there_is() -> None:
    found = read(extract_rtf, DOCUMENT[: DOCUMENT.index(rb"\pard\trowd")])
    assert found.text.endswith("- tall")
    assert found.warnings == ("the file ends in the middle of the document: it may be cut off",)


def test_half_a_character_is_replaced() -> None:
    assert read(extract_rtf, rb"{\rtf1 a\u-10179?b}").text == "a\ufffdb"


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "damaged-file"), (b"plain", "damaged-file"), (rb"{\rtf1}", "no-text"), (rb"{\rtf1 {\pict 00}}", "no-text")],
)
def test_what_cannot_be_read_is_told(body: bytes, code: str) -> None:
    assert code_of(body) == code


@pytest.mark.parametrize(
    "body",
    [
        rb"{\rtf1" + b"{" * 200_000 + b"deep",
        rb"{\rtf1 x" + b"}" * 1000,
        rb"{\rtf1 x\bin99999999 y",
        rb"{\rtf1 x\u99999 \u-1 \uc-5 \ansicpg99999 \f9999 \outlinelevel-3 \s-1 \'",
        rb"{\rtf1 x{\info{\creatim\yr99999\mo77\dy-1}}{\fonttbl\f1\fcharset999}\f1 y}",
        rb"{\rtf1 x\cell\row\row\nestrow\cell\pard\par\par{\footnote{\footnote a}}\*\*{\*}}",
    ],
)
def test_nonsense_does_no_harm(body: bytes) -> None:
    assert extract_rtf(body, lambda: None).text
