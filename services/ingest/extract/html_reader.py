"""A parsed page as text: blocks with their headings, list items, code and tables, without what nobody sees."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.marking import join_last
from services.ingest.extract.types import words
from services.ingest.values import BlockKind

SKIPPED = words(
    "script style noscript template svg canvas iframe object embed audio video button select textarea input dialog "
    "head nav"
)
PARAGRAPHS = words(
    "p pre blockquote ul ol dl table figure section article main header footer aside form fieldset details address hr "
    "h1 h2 h3 h4 h5 h6"
)
LINES = words("div li tr dt dd br caption figcaption summary legend option title center tbody thead")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLANKS = re.compile(r"\s+")
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def events(root: LexborNode, skipped: frozenset[str]) -> Iterator[tuple[LexborNode, str, bool]]:
    """Walks the tree without recursion, because documents may be nested thousands deep.

    Yields:
        (node, tag, entering). Texts are entered only; their tag is "-text". ``root`` itself is not left.
    """
    node: LexborNode | None = root
    end = root.mem_id
    while node is not None:
        tag = node.tag or ""
        below = None
        if tag == "-text":
            yield node, tag, True
        elif tag not in skipped and not hidden(node):
            yield node, tag, True
            below = node.first_child
            if below is None:
                yield node, tag, False
        if below is not None:
            node = below
            continue
        while node is not None and node.mem_id != end and node.next is None:
            node = node.parent
            if node is not None:
                yield node, node.tag or "", False
        node = None if node is None or node.mem_id == end else node.next


def hidden(node: LexborNode) -> bool:
    """Whether the page says that nobody sees it, or that it is for finding one's way."""
    if not node.is_element_node:
        return True
    attributes = node.attributes
    return bool(attributes) and (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in ("navigation", "search")
        or _HIDDEN_STYLE.search(attributes.get("style") or "") is not None
    )


def read_tree(root: LexborNode, skipped: frozenset[str], left_out: frozenset[int] = frozenset()) -> TextBuilder:
    """The text below ``root`` without the elements named ``skipped`` and those whose ``mem_id`` is in ``left_out``."""
    reader = _Reader()
    outside = 0  # how many of the elements left out are open
    for node, tag, entering in events(root, skipped):
        if left_out and tag != "-text" and node.mem_id in left_out:
            outside += 1 if entering else -1
            if not entering and not outside:
                reader.flush("\n\n")
            continue
        if outside:
            continue
        if tag == "-text":
            reader.text(node.text_content or "")
        elif entering:
            reader.enter(node, tag)
        else:
            reader.leave(tag)
    reader.flush("\n")
    return reader.builder


class _Reader:
    """Turns the events of a walk through the tree into blocks."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self._inline: list[str] = []
        self._gap = "\n"
        self._preformatted = 0
        self._rows = 0
        self._whole = 0  # counts tables and listings: what is in the same one is one block
        self._last_whole = -1

    def enter(self, node: LexborNode, tag: str) -> None:
        """An element begins."""
        if tag in PARAGRAPHS:
            self.flush("\n\n")
        elif tag in LINES:
            self.flush("\n")
        if tag == "li":
            self._inline.append("- ")
        elif tag == "pre":
            self._whole += not self._preformatted
            self._preformatted += 1
        elif tag == "table":
            self._whole += 1
        elif tag == "tr":
            self._rows += 1
        elif tag == "img":
            self._inline.append(node.attributes.get("alt") or "")

    def leave(self, tag: str) -> None:
        """An element ends."""
        if tag in _HEADINGS:
            self._flush_heading(_HEADINGS[tag])
        elif tag in PARAGRAPHS:
            self.flush("\n\n")
        elif tag in LINES:
            self.flush("\n")
        elif tag in ("td", "th"):
            self._inline.append(" | ")
        if tag == "pre":
            self._preformatted -= 1
        elif tag == "tr":
            self._rows -= 1
        elif tag == "table":
            self._whole += 1

    def text(self, text: str) -> None:
        """Characters within the present block."""
        self._inline.append(text if self._preformatted else _BLANKS.sub(" ", text))

    def flush(self, gap: str) -> None:
        """Ends the present block; the next one stands behind the widest gap asked for since."""
        text = "".join(self._inline)
        cells = not self._preformatted and self._rows > 0 and " | " in text.rstrip(" |")
        if not self._preformatted:
            text = re.sub(r" {2,}", " ", text).strip().removesuffix(" |")
        if text.strip() not in ("", "-", "|"):
            self._add(text, self._kind(text, cells))
            self._gap = "\n"
        self._inline.clear()
        self._gap = max(self._gap, gap, key=len)

    def _kind(self, text: str, cells: bool) -> BlockKind:
        """Layout by tables is common: only a row of several cells is one of a table."""
        if self._preformatted:
            return BlockKind.CODE
        if cells:
            return BlockKind.TABLE
        return BlockKind.LIST_ITEM if text.startswith("- ") and self._inline[:1] == ["- "] else BlockKind.PARAGRAPH

    def _add(self, text: str, kind: BlockKind) -> None:
        builder = self.builder
        goes_on = (
            kind in (BlockKind.CODE, BlockKind.TABLE)
            and self._whole == self._last_whole
            and bool(builder.blocks)
            and builder.blocks[-1].kind is kind
            and builder.blocks[-1].end == len(builder)
        )
        before = len(builder.blocks)
        builder.add(text, gap=self._gap, kind=kind)
        if goes_on and len(builder.blocks) > before:
            join_last(builder)
        self._last_whole = self._whole

    def _flush_heading(self, level: int) -> None:
        self.builder.add_heading("".join(self._inline), level)
        self._inline.clear()
        self._gap = "\n\n"
