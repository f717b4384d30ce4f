"""Which part of a page is its main content.

trafilatura says which text it is; it also loses links, cells and code on the way. So only its choice is taken: the
smallest element that holds nearly all of the chosen text, but none smaller than the page's own main element, without
the blocks in there that are plainly furniture (lists of links, and what calls itself sharing, cookies and the like) and
of which nothing was chosen. What is left is read with all its structure.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree
from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.ingest.extract.html_reader import LINES, PARAGRAPHS, SKIPPED, events
from services.ingest.extract.types import words

MAX_CHARS = 4_000_000
MAX_TAGS = 60_000
MAX_DEPTH = 200
_SHINGLE_WORDS = 3
_CHOSEN_SHARE = 0.5  # of a block's word triples
_HELD_SHARE = 0.9  # of all chosen text, by the element that is read
_LINK_SHARE = 0.8  # signatures and references are half links; menus are nothing else
_FEW_LINKS = 4
_WORD = re.compile(r"\w+")
_FURNITURE = re.compile(
    r"(?:^|[\s_-])(?:cookies?|consent|newsletter|subscribe|share|sharing|social|related|breadcrumbs?|advert\w*|promo\w*|"
    r"sidebar|menu|navbox|navigation|toc|pagination)(?:$|[\s_-])",
    re.IGNORECASE,
)
_GROUPS = words("div section ul ol dl aside footer header form table article main figure")
_PARSER_ERRORS = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError, etree.LxmlError)


@dataclass(slots=True)
class _Weight:
    """What stands in an element, in characters; ``links`` counts them."""

    node: LexborNode
    chars: int = 0
    chosen: int = 0
    linked: int = 0
    links: int = 0

    def take(self, inner: _Weight) -> None:
        """Counts what an element inside holds."""
        self.chars += inner.chars
        self.chosen += inner.chosen
        self.linked += inner.linked
        self.links += inner.links


def main_content(source: str, tree: LexborHTMLParser, depth: int) -> tuple[LexborNode, frozenset[int]] | None:
    """The element to read and the ``mem_id`` of what to leave out in it; None where nothing can be chosen.

    Args:
        source: the page, which trafilatura parses for itself.
        tree: the same page; the elements of the result are of it.
        depth: how deep the source is nested. Above 200 levels, 60,000 tags or 4 million characters nothing is chosen:
            the libraries below recurse, and at these limits a page takes up to 2 s.
    """
    if tree.body is None or depth > MAX_DEPTH or len(source) > MAX_CHARS or source.count("<") > MAX_TAGS:
        return None
    chosen = _chosen_shingles(source)
    if not chosen:
        return None
    weights, inside = _weigh(tree.body, chosen)
    root = tree.body
    whole = weights[root.mem_id].chosen
    if whole == 0:
        return None
    declared = _declared(tree)
    while root.mem_id != declared:
        heaviest = max(inside.get(root.mem_id, ()), key=lambda child: weights[child.mem_id].chosen, default=None)
        if heaviest is None or weights[heaviest.mem_id].chosen < _HELD_SHARE * whole:
            break
        root = heaviest
    return root, frozenset(_furniture(root, inside, weights))


def _declared(tree: LexborHTMLParser) -> int | None:
    """The ``mem_id`` of the one element that the page itself calls its main one: nothing smaller is read then."""
    mains = tree.css("main") or tree.css("[role=main]")
    return mains[0].mem_id if len(mains) == 1 else None


def _chosen_shingles(source: str) -> frozenset[tuple[str, ...]]:
    try:
        document = _trafilatura().bare_extraction(
            source, favor_recall=True, include_comments=True, include_tables=True, with_metadata=False
        )
    except _PARSER_ERRORS:
        return frozenset()
    if document is None or document.body is None:
        return frozenset()
    found: set[tuple[str, ...]] = set()
    for body in (document.body, document.commentsbody):
        if body is not None:
            found.update(_shingles(_words(" ".join(body.itertext()))))
    return frozenset(found)


@cache
def _trafilatura() -> Any:
    """The library, without its reports: a page that it cannot read is read without it."""
    import trafilatura

    for name in ("trafilatura", "htmldate", "readability", "justext"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return trafilatura


def load_library() -> None:
    """Imports trafilatura now, which takes 0.3 s."""
    _trafilatura()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _shingles(found: list[str]) -> Iterable[tuple[str, ...]]:
    return zip(*(found[offset:] for offset in range(_SHINGLE_WORDS)), strict=False)


def _weigh(
    body: LexborNode, chosen: frozenset[tuple[str, ...]]
) -> tuple[dict[int, _Weight], dict[int, list[LexborNode]]]:
    """The weight of every block element, and the block elements directly inside each."""
    weights: dict[int, _Weight] = {body.mem_id: _Weight(body)}
    inside: dict[int, list[LexborNode]] = {}
    open_blocks, run, links, linked = [weights[body.mem_id]], list[str](), 0, 0
    for node, tag, entering in events(body, SKIPPED):
        if tag == "-text":
            text = node.text_content or ""
            run.append(text)
            linked += len(text.strip()) if links else 0
            continue
        if tag == "a":
            links += 1 if entering else -1
            open_blocks[-1].links += entering
        if node.mem_id == body.mem_id or (tag not in PARAGRAPHS and tag not in LINES and tag not in ("td", "th")):
            continue
        _count(open_blocks[-1], run, linked, chosen)
        run, linked = [], 0
        if entering:
            inside.setdefault(open_blocks[-1].node.mem_id, []).append(node)
            open_blocks.append(weights.setdefault(node.mem_id, _Weight(node)))
        elif len(open_blocks) > 1:
            ended = open_blocks.pop()
            open_blocks[-1].take(ended)
    _count(open_blocks[-1], run, linked, chosen)
    while len(open_blocks) > 1:
        ended = open_blocks.pop()
        open_blocks[-1].take(ended)
    return weights, inside


def _count(weight: _Weight, run: list[str], linked: int, chosen: frozenset[tuple[str, ...]]) -> None:
    found = _words("".join(run))
    if not found:
        return
    chars = sum(map(len, found))
    weight.chars += chars
    weight.linked += min(linked, chars)
    shingles = list(_shingles(found))
    if shingles and sum(shingle in chosen for shingle in shingles) >= _CHOSEN_SHARE * len(shingles):
        weight.chosen += chars


def _furniture(root: LexborNode, inside: dict[int, list[LexborNode]], weights: dict[int, _Weight]) -> Iterable[int]:
    waiting = list(inside.get(root.mem_id, ()))
    while waiting:
        node = waiting.pop()
        weight = weights[node.mem_id]
        if weight.chosen == 0 and node.tag in _GROUPS and _is_furniture(node, weight):
            yield node.mem_id
        elif node.tag != "table":  # a cell may well be a list of links
            waiting += inside.get(node.mem_id, ())


def _is_furniture(node: LexborNode, weight: _Weight) -> bool:
    attributes = node.attributes
    named = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
    return (
        (weight.links >= _FEW_LINKS and weight.linked > _LINK_SHARE * weight.chars)
        or node.tag in ("aside", "footer")
        or _FURNITURE.search(named) is not None
    )
