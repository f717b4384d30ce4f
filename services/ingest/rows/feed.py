"""Feeds as sources: RSS 2.0, RSS 1.0 and Atom, one document per item.

An item's own id (``guid``, ``id``, ``rdf:about``, else its link) makes the document's, so a feed that comes again
updates what it still has. Feeds are often broken; one is read as far as it goes, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from lxml import etree

from services.errors import InvalidInput
from services.ingest.cleaning import check_document_id, clean_text
from services.ingest.extract.dates import read_date
from services.ingest.extract.html import html_to_text
from services.ingest.extract.safe_xml import Element
from services.ingest.extract.xml_tree import children, lower_name, parse_tree, text_below
from services.ingest.rows.row import Row
from services.ingest.rows.tabular import NumberedRow, numbered

_ITEMS = ("item", "entry")
_TEXTS = ("encoded", "content", "description", "summary", "subtitle")
_DATES = ("pubdate", "published", "date", "issued", "updated", "modified")
_AUTHORS = ("creator", "author")
_MAX_AUTHOR_CHARS = 200
_MAX_TITLE_CHARS = 1000
_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"


def read_feed(body: BinaryIO, after: int) -> Iterator[NumberedRow]:
    """The items behind item ``after``, in the order of the feed.

    Raises:
        InvalidInput: it is no XML at all, or there is no item in it (code ``empty-source``).
    """
    root, warnings = parse_tree(body.read())
    items = [element for element in root.iter() if lower_name(element) in _ITEMS]
    if not items:
        raise InvalidInput("there are no items in this feed", code="empty-source")
    for number, item in enumerate(items, 1):
        if number > after:
            row = numbered(number, partial(_row, item))
            yield replace(row, warnings=warnings) if warnings and number == 1 else row


def _row(item: Element) -> Row:
    parts: dict[str, list[Element]] = {}
    for child in children(item):
        parts.setdefault(lower_name(child), []).append(child)
    link = _link(item, parts)
    text = next((text for name in _TEXTS for text in (_content(parts.get(name, ())),) if text), "")
    metadata: dict[str, object] = {}
    date = next((date for name in _DATES for date in (read_date(_plain(parts.get(name, ()))),) if date), "")
    author = next((author for name in _AUTHORS for author in (_author(parts.get(name, ())),) if author), "")
    if date:
        metadata["date"] = date
    if author:
        metadata["author"] = author
    title = " ".join(_content(parts.get("title", ())).split())[:_MAX_TITLE_CHARS]
    return Row(_identity(item, parts, link), text, title, link, metadata)


def _identity(item: Element, parts: dict[str, list[Element]], link: str) -> str | None:
    for given in (_plain(parts.get("guid", ())), _plain(parts.get("id", ())), item.get(_RDF_ABOUT) or "", link):
        try:
            check_document_id(given)
        except InvalidInput:
            continue
        return given
    return None


def _link(item: Element, parts: dict[str, list[Element]]) -> str:
    links = [*parts.get("link", ()), *parts.get("guid", ())]
    found = [child.get("href") or _plain([child]) for child in links if child.get("rel") in (None, "alternate")]
    return next((link for link in (*found, item.get(_RDF_ABOUT) or "") if _is_address(link)), "")


def _is_address(link: str) -> bool:
    return link.lower().startswith(("http://", "https://")) and len(link) <= 2000 and link.isprintable()


def _author(elements: Iterable[Element]) -> str:
    """Names, one after another; Atom gives each as an element of its own, RSS as "mail (name)"."""
    names = []
    for element in elements:
        inner = next((child for child in children(element) if lower_name(child) == "name"), element)
        name = _plain([inner])
        if name.endswith(")") and "@" in name.partition("(")[0]:
            name = name.partition("(")[2][:-1]
        names.append(name)
    return ", ".join(name for name in names if name)[:_MAX_AUTHOR_CHARS]


def _plain(elements: Iterable[Element]) -> str:
    """The text of the first of them on one line."""
    return next((" ".join(clean_text(text_below(element)).split()) for element in elements), "")


def _content(elements: Iterable[Element]) -> str:
    """The text of the first of them that has any; nearly all of it is HTML, escaped or as elements."""
    for element in elements:
        if any(True for _ in children(element)):
            source = "".join(
                [element.text or "", *(etree.tostring(child, encoding="unicode") for child in children(element))]
            )
        else:
            source = text_below(element)
        text = clean_text(html_to_text(source) if "<" in source or "&" in source else source).strip()
        if text:
            return text
    return ""
