"""What a page declares of itself: title, author, date, language, by its head, its JSON-LD and its microdata.

Only declarations count. Asked for a whole page, the libraries also guess: the author of an encyclopedia's article
became "Authority control databases", the date of a result list was that of one result.
"""

from __future__ import annotations

import html
from typing import NamedTuple

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from services.ingest.extract.dates import read_date
from services.ingest.extract.properties import clean_property, language_code

_MAX_ITEMS = 200
_MAX_SCRIPT_CHARS = 200_000
_PARSER_ERRORS = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, etree.LxmlError)


class PageMetadata(NamedTuple):
    """What a page says of itself, "" where it says nothing."""

    title: str = ""
    author: str = ""
    date: str = ""
    language: str = ""


def page_metadata(tree: LexborHTMLParser) -> PageMetadata:
    """Reads the declarations of a page."""
    declared = _declared(_declarations(tree))
    author = declared.author or _first_text(
        tree, "[itemprop=author] [itemprop=name]", "[itemprop=author]", "a[rel=author]"
    )
    date = declared.date or _first_date(tree)
    return PageMetadata(declared.title, author, date, _language(tree))


def _declarations(tree: LexborHTMLParser) -> str:
    """A page with nothing but the declarations of the one given."""
    parts = []
    for node in tree.css("head > meta")[:_MAX_ITEMS]:
        attributes = " ".join(
            f'{name}="{html.escape(value or "")}"' for name, value in node.attributes.items() if name.isidentifier()
        )
        parts.append(f"<meta {attributes}>")
    room = _MAX_SCRIPT_CHARS
    for node in tree.css('script[type="application/ld+json"]')[:_MAX_ITEMS]:
        script = node.text()
        room -= len(script)
        if room > 0:
            parts.append(f'<script type="application/ld+json">{script}</script>')
    return f"<html><head>{''.join(parts)}</head><body><p>.</p></body></html>" if parts else ""


def _declared(source: str) -> PageMetadata:
    if not source:
        return PageMetadata()
    from trafilatura.metadata import extract_metadata

    try:
        found = extract_metadata(source, extensive=False)
    except _PARSER_ERRORS:
        return PageMetadata()
    return PageMetadata(clean_property(found.title), clean_property(found.author), read_date(found.date or ""))


def _first_text(tree: LexborHTMLParser, *selectors: str) -> str:
    for selector in selectors:
        node = tree.css_first(selector)
        text = clean_property(node.attributes.get("content") or node.text(separator=" ")) if node is not None else ""
        if text:
            return text
    return ""


def _first_date(tree: LexborHTMLParser) -> str:
    for selector in ("[itemprop=datePublished]", "time[pubdate]", "article header time[datetime]"):
        node = tree.css_first(selector)
        if node is not None:
            attributes = node.attributes
            date = read_date(attributes.get("datetime") or attributes.get("content") or node.text())
            if date:
                return date
    return ""


def _language(tree: LexborHTMLParser) -> str:
    root = tree.css_first("html")
    attributes = root.attributes if root is not None else {}
    return language_code(attributes.get("lang") or attributes.get("xml:lang"))
