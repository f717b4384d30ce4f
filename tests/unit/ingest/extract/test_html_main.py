"""The main content of pages, what is left out, and pages made to be slow."""

from __future__ import annotations

import random

import pytest

from services.ingest.extract.html import extract_html, extract_html_part
from services.ingest.values import BlockKind, Extracted
from tests.evaldata import evaluation_folder

WORDS = [f"word{number}" for number in range(2_000)]


def read(source: str) -> Extracted:
    return extract_html(source.encode(), lambda: None)


def prose(count: int, seed: int = 0) -> str:
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) for _ in range(count)).capitalize() + "."


MENU = "".join(f'<li><a href="/{number}">Menu entry {number}</a></li>' for number in range(12))
ARTICLE = f"""<!doctype html><html lang="de-AT"><head><title>The page</title>
<meta property="article:published_time" content="2024-03-04T05:06:07+01:00"><meta name="author" content="Ann Example">
</head><body><div class="top"><ul>{MENU}</ul></div><div id="content"><h1>A heading</h1><p>{prose(60, 1)}</p>
<h2>Part two</h2><p>{prose(60, 2)}</p><ul><li>{prose(8, 3)}</li><li>{prose(8, 4)}</li></ul>
<pre>def f():\n    return 1</pre><table><tr><th>key</th><th>value</th></tr><tr><td>Founders</td>
<td><a href=a>One</a> <a href=b>Two</a> <a href=c>Three</a> <a href=d>Four</a></td></tr></table>
<div class="share-buttons">Tell your friends</div><p>{prose(60, 5)}</p>
<div><a href=1>Other story A</a> <a href=2>Other story B</a> <a href=3>Other story C</a> <a href=4>Story D</a></div>
</div><div class="bottom"><ul>{MENU}</ul><p>Imprint and terms</p></div></body></html>"""


def test_the_main_content_with_its_structure_and_without_furniture() -> None:
    found = read(ARTICLE)
    for kept in (prose(60, 1), prose(60, 2), prose(60, 5), "- " + prose(8, 3), "Founders | One Two Three Four"):
        assert kept in found.text
    for gone in ("Menu entry", "Tell your friends", "Other story", "Imprint"):
        assert gone not in found.text
    assert [(heading.level, found.text[heading.start : heading.end]) for heading in found.headings] == [
        (1, "A heading"),
        (2, "Part two"),
    ]
    blocks = [(block.kind, found.text[block.start : block.end]) for block in found.blocks]
    assert blocks == [
        (BlockKind.LIST_ITEM, "- " + prose(8, 3)),
        (BlockKind.LIST_ITEM, "- " + prose(8, 4)),
        (BlockKind.CODE, "def f():\n    return 1"),
        (BlockKind.TABLE, "key | value\nFounders | One Two Three Four"),
    ]
    assert (found.title, found.author, found.language) == ("The page", "Ann Example", "de")
    assert found.date.startswith("2024-03-04")


def test_a_choice_that_is_too_small_a_part_is_not_taken() -> None:
    """An introduction above a list of links: for the heuristics only it is content, and the links would be lost."""
    links = "".join(f"<li><a href={number}>{prose(3, number)}</a></li>" for number in range(300))
    found = read(f"<html><body><article><p>{prose(50, 1)}</p></article><div><ul>{links}</ul></div></body></html>")
    assert sum(prose(3, number) in found.text for number in range(300)) == 300


JSON_LD = (
    '<script type="application/ld+json">{"@context":"https://schema.org","@type":"Article","headline":"H",'
    '"datePublished":"2020-02-03","author":{"@type":"Person","name":"Jane Doe"}}</script>'
)
META = '<meta name="DC.creator" content="Jane Doe"><meta name="date" content="2020-02-03">'


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (JSON_LD, ("Jane Doe", "2020-02-03")),
        (META, ("Jane Doe", "2020-02-03")),
        ('<script type="application/ld+json">{"author": [[[{</script>', ("", "")),
        ("", ("", "")),
    ],
    ids=["json-ld", "meta", "broken", "none"],
)
def test_only_what_a_page_declares_counts(head: str, expected: tuple[str, str]) -> None:
    body = "<p>Written by Somebody Else on 5 May 2011, updated 2012-06-07.</p>"
    found = read(f"<html><head>{head}</head><body>{body}<p>{prose(80)}</p></body></html>")
    assert (found.author, found.date) == expected


def test_declarations_in_the_body() -> None:
    found = read(
        '<p>By <a rel="author" href=x>Jane Doe</a> <time itemprop=datePublished datetime="2020-02-03">x</time>'
    )
    assert (found.author, found.date) == ("Jane Doe", "2020-02-03")


def test_a_part_keeps_all_of_its_text() -> None:
    found = extract_html_part(f"<style>x</style><div><ul>{MENU}</ul></div><p>words<footer>bottom</footer>")
    assert "Menu entry 11" in found.text
    assert "bottom" in found.text


def hostile() -> dict[str, str]:
    text = prose(60)
    return {
        "5,000 levels": "<div>" * 5_000 + text,
        "300 levels": ("<div>" * 300 + text + "</div>" * 300) * 20,
        "10 MB of <": "<" * 10_000_000,
        "100,000 attributes": "<p " + " ".join(f"a{number}=1" for number in range(100_000)) + f">{text}",
        "long attributes": f"<p title='{'x' * 5_000_000}'>{text}",
        "60,000 links": "".join(f"<a href={number}>l{number}</a> " for number in range(28_000)) + text,
        "open comment": f"<p>{text}<!--" + "x" * 1_000_000,
        "100,000 cells": "<table>" + "<tr>" + "<td>x" * 100_000 + text,
        "metadata": "<head>" + "<meta name=author content=x>" * 30_000 + f"</head><body>{text}",
        "json-ld": "<script type='application/ld+json'>" + "[" * 200_000 + "</script>" + text,
        "entities": "&amp;" * 500_000 + text,
    }


@pytest.mark.parametrize("kind", hostile())
def test_hostile_pages_come_to_an_end_with_their_text(kind: str) -> None:
    """The time limit of the test is the check."""
    found = read(hostile()[kind])
    assert (len(found.text) == 10_000_000) if kind == "10 MB of <" else "Word" in found.text


def page(name: str) -> Extracted:
    body = (evaluation_folder("documents") / "markitdown" / name).read_bytes()
    return extract_html(body, lambda: None)


def test_an_encyclopedia() -> None:
    found = page("test_wikipedia.html")
    for kept in (
        "Microsoft Corporation is an American multinational corporation and technology company headquartered in",
        "Microsoft was founded by Bill Gates and Paul Allen on April 4, 1975",
        "Company type | Public",
        "Retrieved August 2, 2017.",
    ):
        assert kept in found.text
    for gone in ("Беларуская", "What links here", "Create account", "Privacy policy", "Jump to content", "Toggle"):
        assert gone not in found.text
    assert {"History", "Corporate affairs", "See also", "External links"} <= {item.text for item in found.headings}
    assert (found.title, found.language) == ("Microsoft - Wikipedia", "en")
    assert "Authority" not in found.author


def test_a_blog() -> None:
    found = page("test_blog.html")
    assert "Large language models (LLMs) are powerful tools that can generate natural language texts" in found.text
    assert "- Research paper about the tuning technique" in found.text
    for gone in ("Skip to main content", "Recent posts", "Copyright", "Edit this page"):
        assert gone not in found.text
    assert (found.author, found.date, found.language) == ("Chi Wang", "2023-04-21", "en")


def test_a_list_of_results() -> None:
    found = page("test_serp.html")
    assert "Learn how Microsoft was founded by two childhood friends and became a global leader" in found.text
    assert "A Short History of Microsoft - ThoughtCo" in found.text
    for gone in ("Rewards", "Privacy", "function(", "All images"):
        assert gone not in found.text
    assert len(found.headings) > 5
