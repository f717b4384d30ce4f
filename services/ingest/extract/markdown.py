"""Markdown (CommonMark with tables): the text a reader would see, with its headings, code, tables and list items.

A parser does it, because links, references and nesting cannot be undone by patterns. It needs 2 s per MB and more for
hostile input (100 kB of ``![](`` : 2 s, quadratic), so a long file is read in parts of 64 kB, and a paragraph without
any markup, or with brackets in brackets ten deep, is taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.html import html_to_text
from services.ingest.extract.marking import join_last
from services.ingest.extract.types import Tick
from services.ingest.values import BlockKind, Extracted

if TYPE_CHECKING:
    from markdown_it.rules_core import StateCore

_PART_CHARS = 64 * 1024
_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(.{0,20000}?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[^\S\n]*(.+)$", re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_MARKUP = re.compile(r"[\\`*_~\[\]!<>&\n]")
_BRACKET = re.compile(r"[\[\]]")
_DEEPEST_BRACKETS = 10  # every one that is open is looked at again from each behind it: 1 MB of "![a" took 47 s
_TEXTS_PER_TICK = 100


def _read_texts(state: StateCore) -> None:
    """Reads the markup within paragraphs, as the library's own step of this name, where there is any to read."""
    for number, token in enumerate(token for token in state.tokens if token.type == "inline"):
        if number % _TEXTS_PER_TICK == 0:
            state.env["tick"]()
        token.children = []
        if not _MARKUP.search(token.content):
            token.children.append(Token("text", "", 0, content=token.content))
        elif _is_too_deep(token.content):
            state.env["unread"] += 1
            token.children.append(Token("text", "", 0, content=token.content))
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _is_too_deep(text: str) -> bool:
    depth = 0
    for found in _BRACKET.finditer(text):
        depth = depth + 1 if found.group() == "[" else max(depth - 1, 0)
        if depth > _DEEPEST_BRACKETS:
            return True
    return False


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.core.ruler.at("inline", _read_texts)
    return parser


_PARSER = _parser()


def extract_markdown(body: bytes, tick: Tick) -> Extracted:
    """Renders Markdown to plain text; a title comes from the front matter or the first heading of level 1."""
    decoded = decode(body)
    source = clean_text(decoded.text)
    title, source = _front_matter(source)
    renderer = _Renderer()
    env: dict[str, Any] = {
        "tick": tick,
        "unread": 0,
    }  # shared, so that a part knows the link references of those before it
    for part in _parts(source):
        renderer.render(_PARSER.parse(part, env))
        tick()
    builder = renderer.builder
    if not title:
        title = next((heading.text for heading in builder.headings if heading.level == 1), "")
    unread = (f"{env['unread']:,} paragraphs with very many open brackets were taken as plain text",)
    warnings = (*decoded.warnings, *(unread if env["unread"] else ()))
    return Extracted(builder.text(), title, tuple(builder.headings), warnings, blocks=tuple(builder.blocks))


def _front_matter(source: str) -> tuple[str, str]:
    found = _FRONT_MATTER.match(source)
    if not found:
        return "", source
    title = _FRONT_TITLE.search(found.group(1))
    return (title.group(1).strip().strip("\"'") if title else ""), source[found.end() :]


def _parts(source: str) -> Iterator[str]:
    """Parts of about ``_PART_CHARS``, cut at blank lines outside code fences, or anywhere at twice that size."""
    if len(source) <= _PART_CHARS:
        yield source
        return
    lines: list[str] = []
    size, fence = 0, ""
    for line in source.split("\n"):
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence and mark.group(1).startswith(fence) else fence or mark.group(1)
        lines.append(line)
        size += len(line) + 1
        if size > _PART_CHARS and ((not fence and not line.strip()) or size > 2 * _PART_CHARS):
            yield "\n".join(lines)
            lines, size = [], 0
    yield "\n".join(lines)


class _Renderer:
    """Walks flat lists of block tokens: list items keep their marks, table rows become lines."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self._marks: list[str] = []  # per open list item what its first block begins with, "" once used
        self._numbers: list[int | None] = []  # per open list the next number, None without numbers
        self._row: list[str] | None = None
        self._heading = 0
        self._gap = "\n\n"  # before a list item or row: wide only before the first
        self._goes_on = False  # whether the next block of the open item, or row, belongs to the last block

    def render(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            match token.type:
                case "heading_open":
                    self._heading = int(token.tag[1:])
                case "inline":
                    self._text(_inline(token.children or []))
                case "fence" | "code_block":
                    self._block(token.content, BlockKind.CODE)
                case "html_block":
                    self._block(html_to_text(token.content))
                case "bullet_list_open":
                    self._open_list(None)
                case "ordered_list_open":
                    self._open_list(int(token.attrs.get("start", 1)))
                case "bullet_list_close" | "ordered_list_close":
                    self._numbers.pop()
                    self._goes_on = False
                case "list_item_open":
                    self._open_item()
                case "list_item_close":
                    self._marks.pop()
                    self._goes_on = False
                case "table_open":
                    self._gap, self._goes_on = "\n\n", False
                case "table_close":
                    self._goes_on = False
                case "tr_open":
                    self._row = []
                case "tr_close":
                    self._close_row()
                case _:
                    pass

    def _text(self, text: str) -> None:
        if self._row is not None:
            self._row.append(text)
        elif self._heading:
            self.builder.add_heading(text, self._heading)
            self._heading, self._goes_on = 0, False
        else:
            self._block(text)

    def _block(self, text: str, kind: BlockKind = BlockKind.PARAGRAPH) -> None:
        if not self._marks:
            self.builder.add(text, kind=kind)
            return
        mark, self._marks[-1] = self._marks[-1], ""
        indent = "  " * (len(self._marks) - 1)
        kind = BlockKind.LIST_ITEM if kind is BlockKind.PARAGRAPH else kind
        self._mark(indent + (mark or "  ") + text, self._gap if mark else "\n\n", kind)
        self._gap = "\n"

    def _mark(self, text: str, gap: str, kind: BlockKind) -> None:
        """Adds text as a block, or as more of the last block where that is of its kind and still open.

        Code within an item is a block of its own: it is too often long to be kept with the item's words.
        """
        before = len(self.builder.blocks)
        self.builder.add(text, gap=gap, kind=kind)
        added = len(self.builder.blocks) > before
        if added and self._goes_on and self.builder.blocks[-2].kind is kind:
            join_last(self.builder)
        self._goes_on = self._goes_on or added

    def _open_list(self, number: int | None) -> None:
        self._gap = "\n" if self._numbers else "\n\n"
        self._numbers.append(number)

    def _open_item(self) -> None:
        self._goes_on = False
        number = self._numbers[-1]
        self._marks.append("- " if number is None else f"{number}. ")
        self._numbers[-1] = None if number is None else number + 1

    def _close_row(self) -> None:
        self._mark(" | ".join(self._row or ()), self._gap, BlockKind.TABLE)
        self._row, self._gap = None, "\n"


def _inline(children: Sequence[Token]) -> str:
    parts = []
    for token in children:
        match token.type:
            case "text" | "code_inline":
                parts.append(token.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(_inline(token.children or []))
            case _:
                pass
    return "".join(parts)
