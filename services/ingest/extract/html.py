"""HTML: the main text, block by block, without scripts, navigation and what is hidden.

The parser (lexbor) follows the HTML standard and needs 0.05 s per MB, but two kinds of hostile input make it quadratic:
100,000 nested blocks take 50 s and 100,000 attributes of one tag 77 s. Both are seen beforehand by a scan of the tags.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.types import Tick, words
from services.ingest.values import Extracted, Heading

_MAX_DEPTH = 5000
_MAX_TAG_CHARS = 16_384
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)([^>]*)>?")
_BLANKS = re.compile(r"\s+")
_UNSEEN = re.compile(r"<(script|style|noscript|template)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)

_SKIPPED = words(
    "script style noscript template svg canvas iframe object embed audio video button select textarea input dialog "
    "head nav"
)
_PAGE_FURNITURE = frozenset({"aside", "footer"})
_PARAGRAPHS = words(
    "p pre blockquote ul ol dl table figure section article main header footer aside form fieldset details address hr "
    "h1 h2 h3 h4 h5 h6"
)
_LINES = words("div li tr dt dd br caption figcaption summary legend option title center tbody thead")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_CLOSED_BY_OTHERS = words(
    "p li dt dd tr td th option optgroup thead tbody tfoot colgroup rt rp html head body area base br col embed hr img "
    "input link meta source track wbr"
)


def extract_html(body: bytes, tick: Tick) -> Extracted:
    """The main text of a page, its title and its headings."""
    declared = _CHARSET.search(body[:4096])
    decoded = decode(body, declared=declared.group(1).decode("ascii") if declared else "")
    source, too_deep = _tame(clean_text(decoded.text))
    if too_deep:
        warning = f"nested deeper than {_MAX_DEPTH:,} tags: read without its structure"
        return Extracted(_without_tags(source), warnings=(*decoded.warnings, warning))
    tree = LexborHTMLParser(source)
    tick()
    text, headings = _main_text(tree)
    return Extracted(text, _title(tree, headings), headings, decoded.warnings)


def html_to_text(source: str) -> str:
    """The text of a fragment of HTML, such as one inside Markdown."""
    source, too_deep = _tame(source)
    if too_deep:
        return _without_tags(source)
    tree = LexborHTMLParser(source)
    return _read(tree.body, _SKIPPED)[0] if tree.body is not None else ""


def _tame(source: str) -> tuple[str, bool]:
    """``source`` without overlong tags' attributes, and whether it is nested too deep for the parser."""
    if source.count("<") > _MAX_DEPTH:
        depth = 0
        for tag in _TAG.finditer(source):
            if tag.group(2).lower() not in _CLOSED_BY_OTHERS:
                depth = max(depth - 1, 0) if tag.group(1) else depth + 1
                if depth > _MAX_DEPTH:
                    return source, True
    if len(source) > _MAX_TAG_CHARS:
        source = _TAG.sub(_bounded, source)
    return source, False


def _bounded(tag: re.Match[str]) -> str:
    return tag.group() if len(tag.group(3)) <= _MAX_TAG_CHARS else f"<{tag.group(2)}>"


def _without_tags(source: str) -> str:
    lines = (" ".join(line.split()) for line in _TAG.sub("\n", _UNSEEN.sub("", source)).split("\n"))
    return "\n".join(line for line in lines if line)


def _title(tree: LexborHTMLParser, headings: tuple[Heading, ...]) -> str:
    node = tree.css_first("head > title")
    title = " ".join(node.text().split()) if node is not None else ""
    return title or next((heading.text for heading in headings if heading.level == 1), "")


def _main_text(tree: LexborHTMLParser) -> tuple[str, tuple[Heading, ...]]:
    """The page's main element if it has one that holds a fair part of the text; else the body without its furniture."""
    if tree.body is None:
        return "", ()
    whole, whole_headings = _read(tree.body, _SKIPPED)
    mains = tree.css("main") or tree.css("[role=main]") or tree.css("article")
    if len(mains) == 1:
        main = _read(mains[0], _SKIPPED)
        if len(main[0]) * 4 >= len(whole):
            return main
    body = _read(tree.body, _SKIPPED | _PAGE_FURNITURE)
    return body if len(body[0]) * 4 >= len(whole) else (whole, whole_headings)


class _Reader:
    """Turns the events of a walk through the tree into blocks."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self._inline: list[str] = []
        self._gap = "\n"
        self._preformatted = 0

    def enter(self, node: LexborNode, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.flush("\n\n")
        elif tag in _LINES:
            self.flush("\n")
        if tag == "li":
            self._inline.append("- ")
        elif tag == "pre":
            self._preformatted += 1
        elif tag == "img":
            self._inline.append(node.attributes.get("alt") or "")

    def leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush_heading(_HEADINGS[tag])
        elif tag in _PARAGRAPHS:
            self.flush("\n\n")
        elif tag in _LINES:
            self.flush("\n")
        elif tag in ("td", "th"):
            self._inline.append(" | ")
        if tag == "pre":
            self._preformatted -= 1

    def text(self, text: str) -> None:
        self._inline.append(text if self._preformatted else _BLANKS.sub(" ", text))

    def flush(self, gap: str) -> None:
        """Ends the present block; the next one stands behind the widest gap asked for since."""
        text = "".join(self._inline)
        if not self._preformatted:
            text = re.sub(r" {2,}", " ", text).strip().removesuffix(" |")
        if text.strip() not in ("", "-"):
            self.builder.add(text, gap=self._gap)
            self._gap = "\n"
        self._inline.clear()
        self._gap = max(self._gap, gap, key=len)

    def _flush_heading(self, level: int) -> None:
        self.builder.add_heading("".join(self._inline), level)
        self._inline.clear()
        self._gap = "\n\n"


def _read(root: LexborNode, skipped: frozenset[str]) -> tuple[str, tuple[Heading, ...]]:
    """Walks the tree without recursion: documents may be nested thousands deep."""
    reader = _Reader()
    node: LexborNode | None = root
    end = root.mem_id
    while node is not None:
        tag = node.tag or ""
        below = None
        if tag == "-text":
            reader.text(node.text_content or "")
        elif tag not in skipped and not _hidden(node):
            reader.enter(node, tag)
            below = node.first_child
            if below is None:
                reader.leave(tag)
        if below is not None:
            node = below
            continue
        while node is not None and node.mem_id != end and node.next is None:
            node = node.parent
            if node is not None:
                reader.leave(node.tag or "")
        node = None if node is None or node.mem_id == end else node.next
    reader.flush("\n")
    return reader.builder.text(), tuple(reader.builder.headings)


def _hidden(node: LexborNode) -> bool:
    if not node.is_element_node:
        return True
    attributes = node.attributes
    return bool(attributes) and (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in ("navigation", "search")
        or _HIDDEN_STYLE.search(attributes.get("style") or "") is not None
    )
