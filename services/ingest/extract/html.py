"""HTML: the main content with its structure, and what the page declares of itself.

What is read, by this rule: the part that ``html_main`` chooses, if it has 200 characters and a quarter of the visible
text; else the page's one main element, if it has a quarter; else the body without its furniture, if that has a quarter;
else all of it.

The parser (lexbor) follows the HTML standard and needs 0.05 s per MB, but two kinds of hostile input make it quadratic:
100,000 nested blocks take 50 s and 100,000 attributes of one tag 77 s. Both are seen beforehand by a scan of the tags.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.html_main import main_content
from services.ingest.extract.html_metadata import page_metadata
from services.ingest.extract.html_reader import SKIPPED, read_tree
from services.ingest.extract.types import Tick, words
from services.ingest.values import Extracted

_MAX_DEPTH = 5000
_MAX_TAG_CHARS = 16_384
_MIN_MAIN_CHARS = 200
_MIN_SHARE = 4  # the main content has at least one part in so many of the visible text
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*)>?")
_UNSEEN = re.compile(r"<(script|style|noscript|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_PAGE_FURNITURE = frozenset({"aside", "footer"})
_CLOSED_BY_OTHERS = words(
    "p li dt dd tr td th option optgroup thead tbody tfoot colgroup rt rp html head body area base br col embed hr img "
    "input link meta source track wbr"
)


def extract_html(body: bytes, tick: Tick) -> Extracted:
    """The main content of a page, its title, author, date and language."""
    declared = _CHARSET.search(body[:4096])
    decoded = decode(body, declared=declared.group(1).decode("ascii") if declared else "")
    source, depth = _tame(clean_text(decoded.text))
    if depth > _MAX_DEPTH:
        return Extracted(_without_tags(source), warnings=(*decoded.warnings, _TOO_DEEP))
    tree = LexborHTMLParser(source)
    tick()
    metadata = page_metadata(tree)
    builder = _page(source, tree, depth)
    tick()
    title = _title(tree) or metadata.title or _first_heading(builder)
    return Extracted(
        builder.text(),
        title,
        tuple(builder.headings),
        decoded.warnings,
        blocks=tuple(builder.blocks),
        author=metadata.author,
        date=metadata.date,
        language=metadata.language,
    )


_TOO_DEEP = f"nested deeper than {_MAX_DEPTH:,} tags: read without its structure"


def extract_html_part(source: str) -> Extracted:
    """HTML that is no page of its own, such as a mail: all of its text, with its structure."""
    source, depth = _tame(clean_text(source))
    if depth > _MAX_DEPTH:
        return Extracted(_without_tags(source), warnings=(_TOO_DEEP,))
    tree = LexborHTMLParser(source)
    builder = read_tree(tree.body, SKIPPED) if tree.body is not None else TextBuilder()
    return Extracted(builder.text(), _title(tree), headings=tuple(builder.headings), blocks=tuple(builder.blocks))


def html_to_text(source: str) -> str:
    """The text of a fragment of HTML, such as one inside Markdown."""
    return extract_html_part(source).text


def _tame(source: str) -> tuple[str, int]:
    """``source`` without overlong tags' attributes, and how deep its tags are nested at least (5,001: too deep)."""
    depth = deepest = 0
    for tag in _TAG.finditer(source):
        if tag.group(2).lower() not in _CLOSED_BY_OTHERS:
            depth = max(depth - 1, 0) if tag.group(1) else depth + 1
            deepest = max(deepest, depth)
            if depth > _MAX_DEPTH:
                return source, depth
    if len(source) > _MAX_TAG_CHARS:
        source = _TAG.sub(_bounded, source)
    return source, deepest


def _bounded(tag: re.Match[str]) -> str:
    return tag.group() if len(tag.group(3)) <= _MAX_TAG_CHARS else f"<{tag.group(2)}>"


def _without_tags(source: str) -> str:
    lines = (" ".join(line.split()) for line in _TAG.sub("\n", _UNSEEN.sub("", source)).split("\n"))
    return "\n".join(line for line in lines if line)


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("head > title")
    return " ".join(node.text().split()) if node is not None else ""


def _first_heading(builder: TextBuilder) -> str:
    return next((heading.text for heading in builder.headings if heading.level == 1), "")


def _page(source: str, tree: LexborHTMLParser, depth: int) -> TextBuilder:
    if tree.body is None:
        return TextBuilder()
    whole = read_tree(tree.body, SKIPPED)
    found = main_content(source, tree, depth) if len(whole) >= _MIN_MAIN_CHARS else None
    if found:
        main = read_tree(found[0], SKIPPED, found[1])
        if len(main) >= _MIN_MAIN_CHARS and len(main) * _MIN_SHARE >= len(whole):
            return main
    mains = tree.css("main") or tree.css("[role=main]") or tree.css("article")
    if len(mains) == 1:
        main = read_tree(mains[0], SKIPPED)
        if len(main) * _MIN_SHARE >= len(whole):
            return main
    body = read_tree(tree.body, SKIPPED | _PAGE_FURNITURE)
    return body if len(body) * _MIN_SHARE >= len(whole) else whole
