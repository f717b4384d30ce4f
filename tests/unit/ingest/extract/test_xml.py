from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.xml import extract_xml
from services.ingest.values import BlockKind, Extracted


def read(body: bytes | str) -> Extracted:
    return extract_xml(body.encode() if isinstance(body, str) else body, lambda: None)


def test_docbook() -> None:
    found = read(
        '<article xmlns="http://docbook.org/ns/docbook" xml:lang="de-AT"><info><title>The Book</title>'
        "<author><personname>Jane Doe</personname></author><pubdate>2020-01-02</pubdate></info>"
        "<section><title>Intro</title><para>Hello <emphasis>big</emphasis>\n world.</para>"
        "<itemizedlist><listitem><para>one</para></listitem><listitem><para>two</para></listitem></itemizedlist>"
        "<programlisting>a\n  b</programlisting><section><title>Deep</title><para>x &amp; y</para></section></section>"
        "</article>"
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "The Book"), (1, "Intro"), (2, "Deep")]
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)
    assert "Hello big world.\n- one\n- two\n\na\n  b\n\nDeep\n\nx & y" in found.text
    assert [(block.kind, found.text[block.start : block.end]) for block in found.blocks] == [
        (BlockKind.LIST_ITEM, "- one"),
        (BlockKind.LIST_ITEM, "- two"),
        (BlockKind.CODE, "a\n  b"),
    ]
    assert (found.title, found.author, found.date, found.language) == ("The Book", "Jane Doe", "2020-01-02", "de")


def test_jats() -> None:
    found = read(
        "<article><front><article-meta><title-group><article-title>On <italic>E. coli</italic></article-title>"
        "</title-group><abstract><p>Short.</p></abstract></article-meta></front><body><sec><title>Methods</title>"
        "<p>We did <xref>1</xref>.</p><table-wrap><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr>"
        "</table></table-wrap></sec></body></article>"
    )
    assert found.title == "On E. coli"
    assert found.text == "On E. coli\n\nShort.\n\nMethods\n\nWe did 1.\na | b\n1 | 2"
    assert {block.kind for block in found.blocks} == {BlockKind.TABLE}


def test_data_becomes_lines_of_names_and_values() -> None:
    found = read("<shop><good id='1'><name>Chair</name><price>5</price></good><good><name>Table</name></good></shop>")
    assert found.text == "name: Chair\nprice: 5\n\nname: Table"


def test_mixed_text_tails_comments_and_cdata() -> None:
    found = read("<a>one<b><c/>two</b>three<!-- no --><?pi no?><d><![CDATA[<four>]]></d>five</a>")
    assert found.text == "one\n\ntwo\n\nthree\nd: <four>\n\nfive"


def bomb(levels: int) -> bytes:
    entities = b'<!ENTITY a0 "lollollol">' + b"".join(
        b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, levels)
    )
    return b"<!DOCTYPE l [" + entities + b"]>"


@pytest.mark.parametrize(
    "body",
    [
        bomb(10) + b"<l>words &a9; end</l>",
        bomb(10) + b'<l>words <b x="&a9;">end</b></l>',
        b'<!DOCTYPE l [<!ENTITY a "' + b"x" * 100_000 + b'">]><l>words ' + b"&a;" * 100_000 + b"</l>",
        b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l>words &x;</l>',
        b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd"><l>words &nbsp;</l>',
        b'<!DOCTYPE l [<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]><l>words</l>',
        b'<l xmlns:xi="http://www.w3.org/2001/XInclude">words<xi:include href="file:///etc/passwd" parse="text"/></l>',
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>root:alert(1)</script><text>words</text></svg>',
    ],
    ids=["laughs", "in attribute", "quadratic", "file", "dtd", "parameter", "xinclude", "svg script"],
)
def test_nothing_is_expanded_fetched_or_run(body: bytes) -> None:
    found = read(body)
    assert "words" in found.text
    assert "lol" not in found.text
    assert "root:" not in found.text
    assert len(found.text) < 1_000


@pytest.mark.parametrize(
    "body", [b"<a>" * 300_000 + b"x", b"<a>words" + b"<b>" * 250 + b"deep" + b"</b>" * 250 + b"</a>", b"<a b='1'" * 9]
)
def test_nesting_comes_to_an_end(body: bytes) -> None:
    assert isinstance(read(body).text, str)


def test_many_elements_and_attributes() -> None:
    assert read(b"<r>" + b"<i>w</i>" * 200_000 + b"</r>").text.count("w") == 200_000
    assert read(b"<r " + b" ".join(b"a%d='1'" % n for n in range(50_000)) + b">w</r>").text == "w"


def test_what_breaks_off_is_read_so_far_and_told() -> None:
    found = read("<a><p>first</p><p>second</p><p>thi")
    assert found.text.startswith("first\n\nsecond")
    assert "no well-formed XML" in found.warnings[0]


@pytest.mark.parametrize("body", [b"", b"words", b"<?xml version='1.0'?>", b"\xff\xfe<"])
def test_what_has_no_element_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(body)
    assert caught.value.code == "damaged-file"
