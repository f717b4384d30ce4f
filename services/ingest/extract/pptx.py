"""PPTX: each slide a page, its title a heading, then what stands on it in the file's order, then its notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.naming import named
from services.ingest.extract.ooxml import Relation, core_properties, main_part, open_package, relations
from services.ingest.extract.properties import finish
from services.ingest.extract.safe_xml import Element, local_name, parse_xml, value_of
from services.ingest.extract.types import Tick, words
from services.ingest.extract.zip_guard import GuardedZip
from services.ingest.values import BlockKind, Extracted

_MAIN = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})
_SHAPES = words("sp graphicFrame cxnSp pic")


def extract_pptx(body: bytes, tick: Tick) -> Extracted:
    """The text of a presentation.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file``, ``zip-bomb`` or ``no-text``.
    """
    package = open_package(body)
    main = main_part(package, _MAIN)
    links = relations(package, main)
    root = parse_xml(package.read(main), what=main)
    reader = _Slides(package)
    unread = []
    for number, node in enumerate(root.iter("{*}sldId"), 1):
        link = links.get(_relation_id(node))
        try:
            reader.read(number, link.target if link else "")
        except InvalidInput as error:
            if error.code == "zip-bomb":
                raise
            unread.append(number)
        tick()
    if unread and not reader.builder.text():
        raise InvalidInput("the presentation is damaged: none of its slides can be read", code="damaged-file")
    warnings = (f"{named('slide', unread)} could not be read",) if unread else ()
    return finish(reader.builder, core_properties(package), what="the presentation", warnings=warnings)


class _Slides:
    """Puts slides together to one text."""

    def __init__(self, package: GuardedZip) -> None:
        self.builder = TextBuilder()
        self._package = package

    def read(self, number: int, part: str) -> None:
        """Appends the slide in ``part``.

        Raises:
            InvalidInput: it is missing or damaged.
        """
        root = parse_xml(self._package.read(part), what=part)
        links = relations(self._package, part)
        shapes = list(_shapes(next(root.iter("{*}spTree"), root)))
        title = next((shape for shape in shapes if _placeholder(shape) in _TITLES), None)
        self.builder.begin_page(number)
        if title is not None:
            self.builder.add_heading(" ".join(_paragraphs(title)), 1)
        for shape in shapes:
            if shape is not title and _placeholder(shape) not in _FURNITURE:
                self._shape(shape, links)
        for link in links.values():
            if link.kind == "notesSlide" and link.target in self._package:
                self._notes(link.target)

    def _shape(self, shape: Element, links: Mapping[str, Relation]) -> None:
        name = local_name(shape)
        if name == "graphicFrame":
            for table in shape.iter("{*}tbl"):
                self.builder.add("\n".join(_rows(table)), kind=BlockKind.TABLE)
            for chart in shape.iter("{*}chart"):
                link = links.get(_relation_id(chart))
                if link and link.target in self._package:
                    self._chart(link.target)
        elif name == "pic":
            described = next((value_of(node, "descr") for node in shape.iter("{*}cNvPr")), "")
            self.builder.add(clean_text(described).strip())
        else:
            self.builder.add("\n".join(_paragraphs(shape)))

    def _chart(self, part: str) -> None:
        """A chart's title, then its data as a table: the categories in the first row, one row a series."""
        try:
            root = parse_xml(self._package.read(part), what=part)
        except InvalidInput:
            return
        title = next(root.iter("{*}title"), None)
        if title is not None:
            self.builder.add(" ".join(_paragraphs(title)))
        lines: list[str] = []
        for series in root.iter("{*}ser"):
            name, categories, values = (_points(series, part) for part in ("tx", "cat", "val"))
            if categories and not lines:
                lines.append(" | ".join(["", *categories]))
            lines.append(" | ".join([*name, *values]))
        self.builder.add("\n".join(lines), kind=BlockKind.TABLE)

    def _notes(self, part: str) -> None:
        try:
            root = parse_xml(self._package.read(part), what=part)
        except InvalidInput:
            return
        for shape in _shapes(next(root.iter("{*}spTree"), root)):
            text = "\n".join(_paragraphs(shape)) if _placeholder(shape) == "body" else ""
            self.builder.add(f"Notes: {text}" if text else "")


def _shapes(tree: Element) -> Iterator[Element]:
    """The shapes of a slide, those in groups too, in the file's order; of alternatives the first."""
    for node in tree:
        name = local_name(node)
        if name in ("grpSp", "AlternateContent", "Choice"):
            yield from _shapes(node)
        elif name in _SHAPES:
            yield node


def _placeholder(shape: Element) -> str:
    """What a shape holds by the layout ("title", "ftr"); "" for one of its own."""
    node = next(shape.iter("{*}ph"), None)
    return value_of(node, "type") if node is not None else ""


def _paragraphs(shape: Element) -> Iterator[str]:
    """The lines of a shape that are not blank."""
    for paragraph in shape.iter("{*}p"):
        line = "".join(
            "\n" if local_name(node) == "br" else node.text or "" for node in paragraph.iter("{*}t", "{*}br")
        )
        if line.strip():
            yield clean_text(line).strip()


def _rows(table: Element) -> Iterator[str]:
    for row in table.iter("{*}tr"):
        line = " | ".join(" ".join(" ".join(_paragraphs(cell)).split()) for cell in row.iter("{*}tc"))
        if line.strip(" |"):
            yield line


def _points(series: Element, name: str) -> list[str]:
    return [clean_text(point.text or "") for part in series if local_name(part) == name for point in part.iter("{*}v")]


def _relation_id(node: Element) -> str:
    """The attribute r:id; a slide has an id of its own beside it."""
    return next((str(value) for key, value in node.attrib.items() if key.endswith("relationships}id")), "")
