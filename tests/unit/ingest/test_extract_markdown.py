from __future__ import annotations

from services.ingest.extract.markdown import extract_markdown
from services.ingest.values import Extracted

SAMPLE = b"""---
title: "From the front"
tags: [a]
---
# One *thing*

A paragraph with **bold**, `code`, a [link](http://example.org "t"),
an ![image](x.png) and <b>tags</b>.

Setext
------
- first
- second
  1. inner
  2. more

| a | b |
|---|---|
| 1 | 2 |

```python
def f():
    return 1
```

<div>block <script>no()</script>html</div>
"""


def read(body: bytes) -> Extracted:
    return extract_markdown(body, lambda: None)


def test_a_reader_sees_text_and_not_markup() -> None:
    found = read(SAMPLE)
    assert found.text == (
        "One thing\n\nA paragraph with bold, code, a link, an image and tags.\n\nSetext\n\n- first\n- second\n"
        "  1. inner\n  2. more\n\na | b\n1 | 2\n\ndef f():\n    return 1\n\nblock html"
    )
    assert found.title == "From the front"


def test_headings_have_exact_places() -> None:
    found = read(SAMPLE)
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "One thing"), (2, "Setext")]
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)


def test_the_first_heading_is_the_title_where_nothing_else_is() -> None:
    assert read(b"text\n\n# Late title\n").title == "Late title"
    assert read(b"just text").title == ""


def test_a_long_file_is_read_in_parts_with_the_same_result() -> None:
    ticks = []
    paragraph = "word [text][ref] and *more* " * 20
    source = "[ref]: http://example.org\n\n" + "\n\n".join(f"## Part {n}\n\n{paragraph}" for n in range(200))
    found = extract_markdown(source.encode(), lambda: ticks.append(1))
    assert len(ticks) > 1
    assert len(found.headings) == 200
    assert found.text.count("word text and more") == 4000
    assert all(found.text[heading.start : heading.end] == heading.text for heading in found.headings)


def test_hostile_nesting_comes_to_an_end() -> None:
    for body in (b"[" * 20_000, b">" * 20_000, b"![a](" * 5_000, b"**a " * 20_000, b"- " * 10_000, b"`" * 20_000):
        assert isinstance(read(body).text, str)
