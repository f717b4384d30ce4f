"""The lines of a PDF page with their places, in reading order, and the paragraphs they make.

A PDF knows glyphs and where they stand; pdfium groups them into lines in the order they were drawn. That order is kept,
columns included, except on a page that has no columns and jumps upwards: such a page was drawn out of order (forms and
spreadsheets are) and is read from top to bottom.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import pypdfium2
from pypdfium2 import raw

from services.ingest.cleaning import clean_text

_BREAK = re.compile("\r\n|\ufffe|\n|\r")
_HYPHEN_MARK = "\ufffe"
_BROKEN_WORD = re.compile(r"[^\W\d_][-\u00ad\u2010]$")
# Ligatures and Arabic presentation forms: how a letter is drawn, not which letter it is.
_DRAWN_FORMS = re.compile("[\ufb00-\ufb4f\ufb50-\ufdff\ufe70-\ufefc]")
_UPWARD_JUMP = 2.0  # in line heights; a superscript jumps less than one
_SIDE_BY_SIDE = 0.1  # share of lines that stand beside another: more and the page has columns
_NEW_BLOCK = 1.35  # times the page's usual distance between lines
_INDENT = 0.8  # in line heights
_LOOSE = 0.65  # letter widths in line heights: prose has 0.4 to 0.55
_MOST_LINES = 1_000  # of one block: putting lines together copies what there is of it
_SHORT = 25  # letters: no column of text is narrower
_WIDE = re.compile("[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef]")  # Chinese and Japanese, written without spaces


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page in points, y upwards; ``broken`` says that its last word goes on in the next line."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    broken: bool = False

    @property
    def height(self) -> float:
        """The height of the first letter's box: the font's size as it is seen."""
        return max(self.top - self.bottom, 0.1)

    @property
    def middle(self) -> float:
        """Where it stands on the page."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that stands together. ``gap`` is what goes before it: one newline within a block, a blank line otherwise."""

    text: str
    gap: str


def read_lines(page: pypdfium2.PdfTextPage) -> list[Line]:
    """The lines of a page in reading order."""
    rows: list[Line] = []
    for line in _drawn_lines(page):
        # pdfium takes a wide gap for the end of a line.
        if rows and not rows[-1].broken and _same_row(rows[-1], line) and line.left >= rows[-1].right:
            rows[-1] = _row([rows[-1], line])
        else:
            rows.append(line)
    return _in_reading_order(rows)


def pieces(lines: list[Line]) -> Iterator[Piece]:
    """The paragraphs of ``lines``: wrapped lines joined, words put together, rows of tables kept as rows."""
    pitch = _usual_pitch(lines)
    gap = "\n\n"
    for block in _blocks(lines, pitch):
        edge = max(line.right for line in block)
        text = block[0].text
        for previous, line in pairwise(block):
            if _goes_on(previous, line, edge):
                text = _joined(text, line.text, previous.broken)
                continue
            yield Piece(text, gap)
            gap = "\n\n" if line.left > previous.left + _INDENT * line.height and previous.right < edge else "\n"
            text = line.text
        yield Piece(text, gap)
        gap = "\n\n"


def _drawn_lines(page: pypdfium2.PdfTextPage) -> Iterator[Line]:
    text = page.get_text_range()
    start, at = 0, 0
    for mark in [*_BREAK.finditer(text), None]:
        end, after = (mark.start(), mark.end()) if mark else (len(text), len(text))
        shown = text[start:end]
        units = len(shown.encode("utf-16-le", "surrogatepass")) // 2
        if shown.strip():
            yield _line(page, shown, at, units, broken=mark is not None and mark.group() == _HYPHEN_MARK)
        at += units + (after - end)
        start = after


def _line(page: pypdfium2.PdfTextPage, shown: str, at: int, units: int, *, broken: bool) -> Line:
    first = _box(page, at + len(shown) - len(shown.lstrip()))
    last = _box(page, at + units - 1 - (len(shown) - len(shown.rstrip())))
    text = " ".join(_DRAWN_FORMS.sub(lambda m: unicodedata.normalize("NFKC", m.group()), clean_text(shown)).split())
    return Line(text, min(first[0], last[0]), first[1], max(first[2], last[2]), first[3], broken)


def _box(page: pypdfium2.PdfTextPage, unit: int) -> tuple[float, float, float, float]:
    index = raw.FPDFText_GetCharIndexFromTextIndex(page, unit)
    if index < 0:
        return 0.0, 0.0, 0.0, 0.0
    left, bottom, right, top = page.get_charbox(index, loose=True)
    return left, bottom, right, top


def _in_reading_order(lines: list[Line]) -> list[Line]:
    """``lines`` as they are, or from top to bottom where the page has one column and was drawn out of order."""
    jumps = any(line.middle - before.middle > _UPWARD_JUMP * line.height for before, line in pairwise(lines))
    if not jumps:
        return lines
    downwards = sorted(lines, key=lambda line: (-line.middle, line.left))
    rows: list[list[Line]] = []
    for line in downwards:
        if rows and _same_row(rows[-1][0], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    if sum(len(row) for row in rows if len(row) > 1) > max(_SIDE_BY_SIDE * len(lines), 2):
        return lines
    return [_row(row) for row in rows]


def _same_row(one: Line, other: Line) -> bool:
    return abs(one.middle - other.middle) < 0.5 * min(one.height, other.height)


def _row(lines: list[Line]) -> Line:
    ordered = sorted(lines, key=lambda line: line.left)
    if len(ordered) == 1:
        return ordered[0]
    return replace(
        ordered[0],
        text=" ".join(line.text for line in ordered),
        right=max(line.right for line in ordered),
        broken=ordered[-1].broken,
    )


def _usual_pitch(lines: list[Line]) -> float:
    steps = [
        before.bottom - line.bottom
        for before, line in pairwise(lines)
        if 0 < before.bottom - line.bottom < 4 * line.height and _same_size(before, line)
    ]
    return median(steps) if steps else 0.0


def _blocks(lines: list[Line], pitch: float) -> Iterator[list[Line]]:
    """Runs of lines of one size that follow each other downwards without a larger gap."""
    block: list[Line] = []
    for line in lines:
        if block:
            step = block[-1].bottom - line.bottom
            near = -0.3 * line.height < step <= _NEW_BLOCK * max(pitch, line.height)
            follows = block[-1].broken or (near and _same_size(block[-1], line))
            if not follows or len(block) >= _MOST_LINES:
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _same_size(one: Line, other: Line) -> bool:
    return 0.85 < one.height / other.height < 1.18


def _goes_on(previous: Line, line: Line, edge: float) -> bool:
    """Whether the line break is a mere wrap: the next word had no room left on the line before."""
    if previous.broken:
        return True
    if line.left > previous.left + _INDENT * line.height and previous.right < edge - line.height:
        return False
    if _is_row(previous) or _is_row(line) or (len(previous.text) < _SHORT and not _WIDE.search(previous.text)):
        return False
    width = (line.right - line.left) / max(len(line.text), 1)
    return previous.right + (len(line.text.split(" ", 1)[0]) + 1) * width > edge


def _is_row(line: Line) -> bool:
    """Whether there is too much room between the words for prose: cells of a table stand side by side."""
    return not _WIDE.search(line.text) and line.right - line.left > _LOOSE * line.height * len(line.text)


def _joined(text: str, more: str, broken: bool) -> str:
    if broken:
        return text + more
    if _BROKEN_WORD.search(text):
        return (text[:-1] if more[:1].islower() else text) + more
    return text + more if _WIDE.match(text[-1]) and _WIDE.match(more[:1]) else f"{text} {more}"
