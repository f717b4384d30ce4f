"""Where the headings of a PDF are: from its outline, or, without one, from letters larger than those of the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pypdfium2

from services.ingest.extract.pdf_lines import Line

_MAX_BOOKMARKS = 20_000
_MAX_PER_PAGE = 200
_MAX_DEPTH = 8
_MAX_CHARS = 200
_MAX_LINES = 3
_LARGER = 1.15  # times the size of the text
_MAX_SHARE = 0.2  # of all lines: more and large letters mean something else
_FEW = 5  # lines of a short document that may be large all the same
_NOT_WORD = re.compile(r"[\W_]+")
_NUMBERING = re.compile(r"(?:\d|[ivxlc]|chapter|section|part|appendix|kapitel|teil|[a-h](?=\d*$))*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HeadingGuide:
    """What is known of a document's headings before its pages are read.

    ``outline`` has each page's bookmarks as (letters and digits of the title, level). ``sizes`` has the levels of the
    letter sizes; it is empty where there is an outline.
    """

    outline: Mapping[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)

    def find(self, page: int, lines: Sequence[Line], at: int) -> tuple[int, int]:
        """The heading that begins with line ``at`` of page ``page`` (from 0): its level and lines, (0, 1) for none."""
        marks = self.outline.get(page, ())
        level = self.sizes.get(_size(lines[at]), 0)
        if not (level or marks) or not any(character.isalpha() for character in lines[at].text):
            return 0, 1
        text, count = "", 0
        for line in lines[at : at + _MAX_LINES]:
            longer = f"{text} {line.text}".strip()
            if _size(line) != _size(lines[at]) or len(longer) > _MAX_CHARS:
                break
            text, count = longer, count + 1
            # A table of contents has the same words with a page number behind them, which makes another title.
            found = next((rank for title, rank in marks if _is_title(_plain(text), title)), 0)
            if found:
                return found, count
        return (level, count) if level and count else (0, 1)


def outline_guide(document: pypdfium2.PdfDocument) -> HeadingGuide:
    """The bookmarks of a document; empty when it has none, or they cannot be read."""
    pages: dict[int, list[tuple[str, int]]] = {}
    for count, mark in enumerate(document.get_toc(max_depth=_MAX_DEPTH)):
        if count >= _MAX_BOOKMARKS:
            break
        target = mark.get_dest()
        page = target.get_index() if target is not None else None
        title = _plain(mark.get_title())
        if page is not None and title and len(pages.setdefault(page, [])) < _MAX_PER_PAGE:
            pages[page].append((title, mark.level + 1))
    return HeadingGuide({page: tuple(marks) for page, marks in pages.items()})


def size_guide(lines: Iterable[Line]) -> HeadingGuide:
    """The levels of the letter sizes in a sample of a document's lines."""
    letters: Counter[int] = Counter()
    count: Counter[int] = Counter()
    for line in lines:
        letters[_size(line)] += len(line.text)
        count[_size(line)] += 1
    if not letters:
        return HeadingGuide()
    text_size = letters.most_common(1)[0][0]
    larger = sorted((size for size in count if size >= _LARGER * text_size), reverse=True)
    if sum(count[size] for size in larger) > max(_MAX_SHARE * count.total(), _FEW):
        return HeadingGuide()
    return HeadingGuide(sizes={size: min(rank, 6) for rank, size in enumerate(larger, 1)})


def _plain(text: str) -> str:
    return _NOT_WORD.sub("", text)


def _is_title(plain: str, title: str) -> bool:
    """Whether a line is the title: the same, or the same behind its number ("2 Methods" for "Methods")."""
    return plain.endswith(title) and _NUMBERING.fullmatch(plain[: -len(title)]) is not None


def _size(line: Line) -> int:
    """Half points: scaling and rounding make the sizes of one style differ by less."""
    return round(line.height * 2)
