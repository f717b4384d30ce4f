from __future__ import annotations

import pytest

from services.ingest.extract.html import extract_html, html_to_text
from services.ingest.values import Extracted

PAGE = b"""<!doctype html><html><head><title> A
 page </title><style>p{color:red}</style></head><body><nav>menu</nav><main>
<h1>Top <em>one</em></h1><p>Hello <b>big</b> world.<br>Next line</p>
<ul><li>first</li><li>second</li></ul>
<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre>  code
    more</pre><div hidden>secret</div><p style="display: none">secret</p><p aria-hidden=true>secret</p>
<h2>Below</h2>text<script>alert(1)</script><img alt="a picture" src="x"></main><footer>imprint</footer></body></html>"""


def read(body: bytes) -> Extracted:
    return extract_html(body, lambda: None)


def test_main_text_block_by_block() -> None:
    found = read(PAGE)
    assert found.text == (
        "Top one\n\nHello big world.\nNext line\n\n- first\n- second\n\nk | v\n1 | 2\n\n  code\n    more\n\n"
        "Below\n\ntexta picture"
    )
    assert found.title == "A page"
    assert [(heading.level, found.text[heading.start : heading.end]) for heading in found.headings] == [
        (1, "Top one"),
        (2, "Below"),
    ]


def test_a_page_without_main_loses_only_its_furniture() -> None:
    found = read(b"<body><nav>menu</nav><aside>ads</aside><p>some longer text</p><footer>imprint</footer></body>")
    assert found.text == "some longer text"
    assert read(b"<body><footer>only this text is here at all</footer></body>").text == "only this text is here at all"


def test_text_without_tags_and_fragments() -> None:
    assert read(b"just text").text == "just text"
    assert html_to_text("<div>a<p>b</div>") == "a\n\nb"
    assert read(b"<title>only a title</title>").title == "only a title"


def test_the_named_encoding_is_used() -> None:
    body = '<meta charset="windows-1251"><p>жить хорошо'.encode("cp1251")
    assert read(body).text == "жить хорошо"


@pytest.mark.parametrize(
    "body",
    [
        b"<div>" * 100_000 + b"x",
        b"<b>" * 300_000 + b"x",
        b"<a " + b" ".join(b"a%d=1" % n for n in range(50_000)) + b">x</a>",
        b"<p>x<!-- " + b"y" * 100_000,
        b"<table>" * 3_000 + b"x",
        b"<script>var x = '<p>no</p>'</script>" * 1000 + b"<div>" * 6_000 + b"x",
    ],
    ids=["deep blocks", "deep inline", "attributes", "open comment", "tables", "scripts, then deep"],
)
def test_hostile_pages_are_bounded_and_keep_their_text(body: bytes) -> None:
    """100,000 nested blocks took the parser 50 s, 100,000 attributes 77 s: the test's own time limit is the check."""
    found = read(body)
    assert found.text.strip() == "x"
    assert bool(found.warnings) == (body.startswith((b"<div>", b"<b>", b"<script>")))


def test_a_million_signs_are_text() -> None:
    assert len(read(b"<" * 1_000_000).text) == 1_000_000
