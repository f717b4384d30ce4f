"""XML of any kind: documents (DocBook, JATS, TEI and their like) by their sections, data as lines "name: value"."""

from __future__ import annotations

import re

from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.dates import read_date
from services.ingest.extract.safe_xml import Element
from services.ingest.extract.types import Tick, words
from services.ingest.extract.xml_tree import children, entity_text, lower_name, parse_tree, text_below
from services.ingest.values import BlockKind, Extracted

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_BLANKS = re.compile(r"\s+")
_TICK_EVERY = 1000
_FIELD_CHARS = 300
_SECTIONS = words(
    "sec section chapter part appendix preface article book sect1 sect2 sect3 sect4 sect5 simplesect refsect1 refsect2 "
    "abstract div div1 div2 div3 topic body"
)
_TITLES = words("title head heading article-title bridgehead")
_PARAGRAPHS = words("p para simpara formalpara title subtitle head heading abstract caption note lead quote l line")
_ITEMS = words("listitem item list-item li member")
_CODE = words("programlisting code screen pre literallayout preformat synopsis eg source")
_ROWS = words("row tr")
_SKIPPED = words("script style defs metadata desc-hidden")
_INLINE = words(
    "a b i u em strong emphasis italic bold sub sup ref xref link ulink ext-link tspan hi span code-inline literal "
    "quote foreignphrase term ph uicontrol tt br lb named-content inline-formula"
)


def extract_xml(body: bytes, tick: Tick) -> Extracted:
    """The text of the elements in their order. Entities that the document defines are left out, never expanded."""
    root, warnings = parse_tree(body)
    reader = _Reader(tick)
    reader.walk(root)
    builder = reader.builder
    title = builder.headings[0].text if builder.headings else ""
    return Extracted(
        builder.text(),
        title,
        tuple(builder.headings),
        warnings,
        blocks=tuple(builder.blocks),
        author=_first(root, words("author creator")),
        date=read_date(_first(root, words("pubdate date"))),
        language=_language(root),
    )


def _first(root: Element, names: frozenset[str]) -> str:
    """The text of the first element of one of the names among the first thousand elements."""
    for position, element in enumerate(root.iter()):
        if position > _TICK_EVERY:
            break
        if lower_name(element) in names:
            text = _line(" ".join(text_below(child) for child in children(element)) or text_below(element))
            if 0 < len(text) <= _FIELD_CHARS:
                return text
    return ""


def _language(root: Element) -> str:
    code = (root.get(_LANG) or root.get("lang") or "").partition("-")[0].lower()
    return code if len(code) == 2 and code.isalpha() and code.isascii() else ""


class _Reader:
    """Walks the tree, which the parser keeps at 256 levels, and makes blocks of what belongs together."""

    def __init__(self, tick: Tick) -> None:
        self.builder = TextBuilder()
        self._tick = tick
        self._seen = 0

    def walk(self, element: Element, depth: int = 0) -> None:
        """Adds what stands in ``element``; ``depth`` counts the sections around it."""
        self._seen += 1
        if self._seen % _TICK_EVERY == 0:
            self._tick()
        name = lower_name(element)
        if name in _SKIPPED:
            return
        parent = lower_name(element.getparent()) if element.getparent() is not None else ""
        if name in _TITLES and parent in (_SECTIONS | {"info", "articleinfo", "title-group", "front"}):
            self.builder.add_heading(clean_text(text_below(element)), min(max(depth, 1), 6))
        elif name in _CODE and name not in _INLINE:
            self._add(text_below(element), BlockKind.CODE)
        elif name in _ROWS:
            cells = [_line(text_below(child)) for child in children(element)]
            self._add(" | ".join(cells), BlockKind.TABLE, gap="\n")
        elif self._is_run(element):
            self._run(element, name)
        else:
            self._structure(element, name, depth)

    def _structure(self, element: Element, name: str, depth: int) -> None:
        if name in _SECTIONS and name not in ("article", "book", "body"):
            depth += 1
        self._add(_line(element.text or ""))
        for child in element:
            if isinstance(child.tag, str):
                self.walk(child, depth)
            else:
                self._add(entity_text(child))
            self._add(_line(child.tail or ""))

    def _is_run(self, element: Element) -> bool:
        """Whether it holds running text: no elements inside but those that stand within a line."""
        return all(lower_name(child) in _INLINE for child in element.iterdescendants() if isinstance(child.tag, str))

    def _run(self, element: Element, name: str) -> None:
        text = _line(text_below(element))
        if not text:
            return
        if name in _ITEMS or (name in _PARAGRAPHS and _begins_item(element)):
            self._add(f"- {text}", BlockKind.LIST_ITEM, gap="\n")
        elif name in _PARAGRAPHS or len(text) > _FIELD_CHARS or element.getparent() is None:
            self._add(text)
        else:
            self._add(f"{name}: {text}", gap="\n" if element.getprevious() is not None else "\n\n")

    def _add(self, text: str, kind: BlockKind = BlockKind.PARAGRAPH, gap: str = "\n\n") -> None:
        self.builder.add(clean_text(text), gap=gap, kind=kind)


def _begins_item(element: Element) -> bool:
    """Whether a paragraph is the first thing in a list item, where the mark of the item belongs."""
    parent = element.getparent()
    return parent is not None and lower_name(parent) in _ITEMS and element.getprevious() is None


def _line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
