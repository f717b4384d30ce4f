"""What a paragraph of a DOCX is, by its style and its own settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ingest.extract.safe_xml import Element, local_name, value_of

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_CODE = re.compile(r"\b(?:code|preformatted|listing|macro)\b", re.IGNORECASE)
_BODY_TEXT = 9  # the outline level that means "none"
_MAX_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Style:
    """``level`` 1 to 9 makes it a heading; ``skipped`` is text that only repeats headings (a table of contents)."""

    level: int = 0
    title: bool = False
    listed: bool = False
    code: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Styles:
    """The styles of a document by their ids."""

    by_id: Mapping[str, Style] = field(default_factory=dict)

    def of(self, paragraph: Element) -> Style:
        """The style of a paragraph with its own outline level and numbering."""
        settings = next((child for child in paragraph if local_name(child) == "pPr"), None)
        if settings is None:
            return _PLAIN
        style, level, listed = _PLAIN, None, None
        for node in settings:
            name = local_name(node)
            if name == "pStyle":
                style = self.by_id.get(value_of(node), _PLAIN)
            elif name == "outlineLvl":
                level = _level(value_of(node))
            elif name == "numPr":
                listed = _is_numbered(node)
        if level is None and listed is None:
            return style
        level = style.level if level is None else level
        listed = style.listed if listed is None else listed
        return Style(level, style.title, listed, style.code, style.skipped)


_PLAIN = Style()


def read_styles(root: Element) -> Styles:
    """The paragraph styles of word/styles.xml; what a style leaves open it has from the one it is based on."""
    nodes = {value_of(node, "styleId"): node for node in root if local_name(node) == "style"}
    return Styles({style_id: _style(style_id, nodes) for style_id in nodes})


def _style(style_id: str, nodes: Mapping[str, Element]) -> Style:
    level: int | None = None
    title = listed = code = skipped = False
    for _ in range(_MAX_CHAIN):
        node = nodes.get(style_id)
        if node is None:
            break
        style_id = ""
        for child in node.iter():
            kind = local_name(child)
            if kind == "name":
                name = value_of(child)
                heading = _HEADING.fullmatch(name)
                level = int(heading.group(1)) if heading and level is None else level
                title = title or name.casefold() == "title"
                code = code or _CODE.search(name) is not None
                skipped = skipped or name.casefold().startswith(("toc ", "table of figures"))
            elif kind == "outlineLvl" and level is None:
                level = _level(value_of(child))
            elif kind == "numPr":
                listed = listed or _is_numbered(child)
            elif kind == "basedOn":
                style_id = value_of(child)
    return Style(level or int(title), title, listed, code, skipped)


def _level(value: str) -> int:
    return int(value) + 1 if value.isascii() and value.isdigit() and int(value) < _BODY_TEXT else 0


def _is_numbered(node: Element) -> bool:
    number = next((value_of(child) for child in node if local_name(child) == "numId"), "1")
    return number != "0"
