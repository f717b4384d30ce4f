"""reStructuredText: its text nearly as it stands, with title and section headings.

A scanner of its own rather than docutils: on 751 real files docutils needs 6 s per MB (this: 0.2 s), and everything
that Sphinx adds to the language is an error to it (377 messages in 51 files), the text replaced by the message.
Adornments, comments, link targets and inline markup go; literal blocks and lists stay as they were typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.marking import add_with_items, join_last
from services.ingest.extract.types import Tick, words
from services.ingest.values import BlockKind, Extracted, Heading

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")
_TABLE_TOP = re.compile(r"\s*(?:\+[-=+]{3,}\+|=+(?: +=+)+)\s*\Z")
_HEADER = re.compile(r"([A-Z][A-Za-z-]{1,30}):(?:\s+(.*)|)\Z")
_EXPLICIT = re.compile(r"\.\.(?:\s+|\Z)")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|]{1,100}\|\s+)?([A-Za-z][\w.:+-]{0,60}?)\s?::(?:\s+(.*)|)\Z")
_FOOTNOTE = re.compile(r"\.\.\s+(\[[^\]\s]{1,60}\])\s*(.*)\Z")
_OPTION = re.compile(r"\s*:[\w -]{1,40}:(?:\s|\Z)")
_SILENT_DIRECTIVES = words(
    "toctree index contents raw include literalinclude highlight default-role role currentmodule module meta sectnum "
    "image only ifconfig unicode replace tabularcolumns canonical-doc"
)
_LITERAL_DIRECTIVES = words("code code-block sourcecode parsed-literal doctest testcode math")

# Bounded repeats keep every pattern linear on hostile input.
_NAMED_ROLE = re.compile(r":(pep|rfc):`~?!?(\d{1,6})[^`]{0,200}`")
_ROLE = re.compile(
    r"(?::[A-Za-z][\w:.+-]{0,40}:)?`([^`<]{0,500}?)(?:(?<!\s)\s*+<[^`<>]{1,2000}>)?`(?:_{1,2}(?!\w)|:[A-Za-z][\w.-]{0,40}:)?"
)
_LITERAL = re.compile(r"``(.{1,1000}?)``(?!`)", re.DOTALL)
_STRONG = re.compile(r"(?<![\w*])\*\*(?=\S)([^*]{1,1000}?)(?<=\S)\*\*(?![\w*])")
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]{1,1000}?)(?<=[^\s*])\*(?![\w*])")


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines between blank lines; ``indent`` is the first line's."""

    lines: list[str]
    indent: int


def extract_rst(body: bytes, tick: Tick) -> Extracted:
    """Reads reStructuredText, Sphinx's dialect included."""
    decoded = decode(body)
    reader = _Reader()
    for number, block in enumerate(_blocks(clean_text(decoded.text).expandtabs(8))):
        reader.read(block)
        if number % 2000 == 0:
            tick()
    headings, blocks = tuple(reader.builder.headings), tuple(reader.builder.blocks)
    title = reader.title or _document_title(headings)
    return Extracted(reader.builder.text(), title, headings, decoded.warnings, blocks=blocks)


def _blocks(source: str) -> Iterator[_Block]:
    """Cuts at blank lines, before and after explicit markup (``.. ``), and after a heading."""
    lines: list[str] = []
    for line in [*source.split("\n"), ""]:
        if lines and (not line.strip() or _begins_another(lines, line)):
            yield _Block(lines, _indent(lines[0]))
            lines = []
        if line.strip():
            lines.append(line.rstrip())
            if _heading_line(lines) is not None:
                yield _Block(lines, 0)
                lines = []


def _begins_another(lines: list[str], line: str) -> bool:
    indent = _indent(lines[0])
    explicit = _EXPLICIT.match(line, _indent(line)) or _EXPLICIT.match(lines[0], indent)
    return bool(explicit) and _indent(line) <= indent


def _heading_line(lines: list[str]) -> int | None:
    """Which of the lines is the title, if they are a heading: text and underline, or the same below an overline."""
    if len(lines) == 2 and _underlines(lines[1], lines[0]):
        return 0
    if len(lines) == 3 and lines[0] == lines[2] and _ADORNMENT.match(lines[0]) and not _ADORNMENT.match(lines[1]):
        return 1
    return None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _document_title(headings: tuple[Heading, ...]) -> str:
    """The first heading, where no other one is of its level or stands before it."""
    top = [heading for heading in headings if heading.level == 1]
    return top[0].text if len(top) == 1 or (top and top[0].start == 0) else ""


class _Reader:
    """Takes block after block; remembers what a block's indentation means for the next ones."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self.title = ""
        self._levels: list[tuple[str, bool]] = []
        self._silent_above: int | None = None  # blocks indented deeper than this belong to something dropped
        self._literal_above: int | None = None  # blocks indented deeper than this are literal
        self._literal_begun = False  # whether something of that literal block has been added
        self._first = True

    def read(self, block: _Block) -> None:
        first, self._first = self._first, False
        if self._silent_above is not None and block.indent > self._silent_above:
            return
        self._silent_above = None
        if self._literal_above is not None and block.indent > self._literal_above:
            self._add_literal(block.lines)
            return
        self._literal_above = None
        if first and self._read_header(block):
            return
        title = _heading_line(block.lines)
        if title is not None:
            self._add_heading(block.lines[title].strip(), block.lines[title + 1][0], overlined=title == 1)
        elif _EXPLICIT.match(block.lines[0], block.indent):
            self._read_explicit(block)
        elif len(block.lines) > 1 or not _ADORNMENT.match(block.lines[0]):  # a lone adornment is a transition
            self._add_text(block.lines)

    def _read_header(self, block: _Block) -> bool:
        """The block of mail-like header lines a PEP begins with; kept as text, its title taken."""
        found = [_HEADER.match(line) for line in block.lines if not line.startswith(" ")]
        fields = {match.group(1).lower(): match.group(2) or "" for match in found if match}
        if not all(found) or "title" not in fields:
            return False
        number = fields.get("pep", "")
        self.title = f"PEP {number}: {fields['title']}" if number.isdigit() else fields["title"]
        self.builder.add("\n".join(block.lines))
        return True

    def _add_heading(self, line: str, mark: str, *, overlined: bool) -> None:
        style = (mark, overlined)
        if style not in self._levels:
            self._levels.append(style)
        self.builder.add_heading(_plain(line), self._levels.index(style) + 1)

    def _read_explicit(self, block: _Block) -> None:
        """A comment, link target, footnote or directive, with the lines that belong to it."""
        first, body = block.lines[0].lstrip(), block.lines[1:]
        directive, footnote = _DIRECTIVE.match(first), _FOOTNOTE.match(first)
        if directive and directive.group(1) not in _SILENT_DIRECTIVES:
            body = [line for line in body if not _OPTION.match(line)]
            if directive.group(1) in _LITERAL_DIRECTIVES:
                self._literal_above, self._literal_begun = block.indent, False
                self._add_literal(body)
            else:
                self._add_text([directive.group(2) or "", *body])
        elif footnote:
            self._add_text([f"{footnote.group(1)} {footnote.group(2)}", *body])
        else:
            self._silent_above = block.indent

    def _add_text(self, lines: list[str]) -> None:
        if lines[-1].endswith("::"):
            self._literal_above, self._literal_begun = _indent(lines[-1]), False
            lines = [*lines[:-1], lines[-1][:-1].removesuffix(":") + (":" if lines[-1].rstrip(":").strip() else "")]
        text = _plain("\n".join(line for line in lines if not _is_border(line)))
        if _TABLE_TOP.match(lines[0]):
            self.builder.add(text, kind=BlockKind.TABLE)
        else:
            add_with_items(self.builder, text)

    def _add_literal(self, lines: list[str]) -> None:
        """Code; what blank lines part stays one block."""
        before = len(self.builder.blocks)
        self.builder.add("\n".join(lines), kind=BlockKind.CODE)
        if len(self.builder.blocks) > before:
            if self._literal_begun:
                join_last(self.builder)
            self._literal_begun = True


def _is_border(line: str) -> bool:
    """Whether the line is nothing but a table's border. No pattern: two repeats that take blanks are quadratic."""
    return len(line) >= 4 and not line.strip().strip("+=|- ")


def _underlines(adornment: str, line: str) -> bool:
    """docutils' rule: an underline shorter than its title still counts from four characters on."""
    length = len(adornment.rstrip())
    return (
        bool(_ADORNMENT.match(adornment))
        and not line.startswith(" ")
        and not _ADORNMENT.match(line)
        and not _EXPLICIT.match(line)
        and (length >= len(line.rstrip()) or length >= 4)
    )


def _plain(text: str) -> str:
    """``text`` without inline markup."""
    if "`" in text:
        text = _NAMED_ROLE.sub(lambda found: f"{found.group(1).upper()} {found.group(2)}", text)
        text = "".join(
            part if position % 2 else _ROLE.sub(lambda found: found.group(1) or found.group(), part)
            for position, part in enumerate(_LITERAL.split(text))
        )
    if "*" in text:
        text = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text))
    return text
