"""ODT and ODP: headings, paragraphs, lists, tables and notes in the order of the content; slides are pages."""

from __future__ import annotations

from collections.abc import Iterator

from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.odf_package import CONTENT, odf_properties, open_odf
from services.ingest.extract.properties import finish
from services.ingest.extract.safe_xml import Element, local_name, release, stream_xml, value_of
from services.ingest.extract.types import Tick, words
from services.ingest.values import BlockKind, Extracted

_READ = ("h", "p", "list", "table", "notes", "page")
# What an outer element reads itself, and what is not the document's text: former versions, scripts, an index.
_INSIDE = words("list table notes p h annotation")
_NOT_TEXT = words(
    "tracked-changes table-of-content illustration-index table-index alphabetical-index user-index object-index "
    "bibliography forms header footer master-styles"
)
_SPACES = {"tab": "\t", "line-break": "\n", "p": "\n", "h": "\n", "list-item": "\n"}
_UNREAD = words("annotation note-citation ruby-text tracked-changes")
_LEVELS = frozenset(map(str, range(1, 100)))
_MAX_SPACES = 100
_TICK_EVERY = 500


def extract_opendocument(body: bytes, tick: Tick) -> Extracted:
    """The text of an OpenDocument text or presentation.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file``, ``zip-bomb`` or ``no-text``.
    """
    package = open_odf(body)
    reader = _Body()
    tags = tuple(f"{{*}}{name}" for name in _READ)
    for count, element in enumerate(stream_xml(package.read(CONTENT), tags, what=CONTENT)):
        if reader.read(element):
            release(element)
        if count % _TICK_EVERY == 0:
            tick()
    return finish(reader.builder, odf_properties(package), what="the document")


class _Body:
    """Takes the parts of the content as each one ends."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self._page: Element = None
        self._pages = 0
        self._in_list = False

    def read(self, element: Element) -> bool:
        """Whether ``element`` is done with; what stands inside another one is read with that."""
        name = local_name(element)
        above = list(element.iterancestors())
        names = {local_name(node) for node in above}
        if name == "page":
            return True
        if names & _NOT_TEXT:
            return not names & _INSIDE
        if names & _INSIDE or "body" not in names:
            return False
        self._begin_page(above)
        if name == "notes":
            text = _notes(element)
            self.builder.add(f"Notes: {text}" if text else "")
        elif name == "list":
            for level, item in _items(element, 0):
                self.builder.add(
                    "  " * level + f"- {item}", gap="\n" if self._in_list else "\n\n", kind=BlockKind.LIST_ITEM
                )
                self._in_list = True
            self._in_list = False
        elif name == "table":
            self.builder.add("\n".join(_rows(element)), kind=BlockKind.TABLE)
        elif name == "h" or _is_title(above):
            rank = value_of(element, "outline-level")
            self.builder.add_heading(_text(element), min(int(rank), 6) if rank in _LEVELS else 1)
        else:
            self.builder.add(_text(element))
        return True

    def _begin_page(self, above: list[Element]) -> None:
        page = next((node for node in above if local_name(node) == "page"), None)
        if page is not None and page is not self._page:
            self._page = page
            self._pages += 1
            self.builder.begin_page(self._pages)


def _is_title(above: list[Element]) -> bool:
    """Whether a paragraph stands in the title of a slide."""
    return any(value_of(node, "class") == "title" for node in above if local_name(node) == "frame")


def _text(element: Element) -> str:
    return clean_text("".join(_texts(element)))


def _texts(element: Element) -> Iterator[str]:
    """The text of an element; notes at the foot stand in brackets where they are referred to."""
    yield element.text or ""
    for child in element:
        name = local_name(child)
        if name == "s":
            times = value_of(child, "c")
            yield " " * (min(int(times), _MAX_SPACES) if times.isascii() and times.isdigit() else 1)
        elif name == "note-body":
            yield f" ({' '.join(_text(child).split())})"
        elif name not in _UNREAD:
            yield _SPACES.get(name, "")
            yield from _texts(child)
        yield child.tail or ""


def _items(listed: Element, level: int) -> Iterator[tuple[int, str]]:
    for item in listed:
        if local_name(item) not in ("list-item", "list-header"):
            continue
        own = " ".join(_text(node).strip() for node in item if local_name(node) in ("p", "h"))
        if own.strip():
            yield level, own.strip()
        for node in item:
            if local_name(node) == "list":
                yield from _items(node, level + 1)


def _rows(table: Element) -> Iterator[str]:
    for row in table.iter("{*}table-row"):
        cells = (" ".join(_text(cell).split()) for cell in row if local_name(cell) == "table-cell")
        line = " | ".join(cells)
        if line.strip(" |"):
            yield line


def _notes(element: Element) -> str:
    return "\n".join(line for node in element.iter("{*}p") if (line := _text(node).strip()))
