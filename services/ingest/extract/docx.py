"""DOCX: the body in its order, with headings, lists, code, tables, notes, comments and equations.

The main part is read as a stream and let go paragraph by paragraph and row by row: a 900-page document needs little
more memory than its XML. Headers and footers repeat on every page and are left out, as is a table of contents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.docx_styles import Styles, read_styles
from services.ingest.extract.office_math import math_text
from services.ingest.extract.ooxml import core_properties, main_part, open_package, relations
from services.ingest.extract.properties import clean_title, finish
from services.ingest.extract.safe_xml import Element, local_name, parse_xml, release, stream_xml, value_of
from services.ingest.extract.types import Tick, words
from services.ingest.extract.zip_guard import GuardedZip
from services.ingest.values import BlockKind, Extracted

_MAIN = "word/document.xml"
_WRAPPERS = words("sdt sdtContent customXml ins moveTo smartTag AlternateContent Choice")
_SKIPPED = words("del moveFrom Fallback pPr rPr tcPr trPr tblPr sdtPr sectPr instrText delText")
_SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "p": "\n"}
_TICK_EVERY = 200


def extract_docx(body: bytes, tick: Tick) -> Extracted:
    """The text of a Word document.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file``, ``zip-bomb`` or ``no-text``.
    """
    package = open_package(body)
    main = main_part(package, _MAIN)
    parts = {relation.kind: relation.target for relation in relations(package, main).values()}
    notes = {
        **_notes(package, parts.get("footnotes", ""), "footnote", "Note: "),
        **_notes(package, parts.get("endnotes", ""), "endnote", "Note: "),
        **_notes(package, parts.get("comments", ""), "comment", "Comment: "),
    }
    reader = _Body(_styles(package, parts.get("styles", "")), notes)
    for count, element in enumerate(stream_xml(package.read(main), ("{*}p", "{*}tr", "{*}tbl"), what=main)):
        if reader.read(element):
            release(element)
        if count % _TICK_EVERY == 0:
            tick()
    reader.end_run()
    properties = core_properties(package)
    if not properties.title:
        properties = replace(properties, title=clean_title(reader.title))
    return finish(reader.builder, properties, what="the document")


class _Body:
    """Takes the paragraphs, rows and tables of the body as each one ends."""

    def __init__(self, styles: Styles, notes: Mapping[tuple[str, str], str]) -> None:
        self.builder = TextBuilder()
        self.title = ""
        self._styles = styles
        self._notes = notes
        self._rows: list[str] = []
        self._code: list[str] = []
        self._in_list = False

    def read(self, element: Element) -> bool:
        """Whether ``element`` stood in the body itself and is done with; inner ones are read with the outer one."""
        name = local_name(element)
        around = _surroundings(element)
        if name == "p" and around == "body":
            self._paragraph(element)
        elif name == "tr" and around == "tbl":
            self._rows.append(_row(element))
        elif name == "tbl" and around == "body":
            self.end_run()
            self.builder.add("\n".join(row for row in self._rows if row.strip(" |")), kind=BlockKind.TABLE)
            self._rows = []
        else:
            return False
        return True

    def end_run(self) -> None:
        """Ends the lines of code and the list that were open."""
        self.builder.add("\n".join(self._code), kind=BlockKind.CODE)
        self._code = []
        self._in_list = False

    def _paragraph(self, element: Element) -> None:
        style = self._styles.of(element)
        if style.skipped:
            return
        text = clean_text("".join(_texts(element)))
        if style.code and not style.level:
            self._code.append(text)
            return
        if not text.strip():
            return
        if self._code or (self._in_list and not style.listed):
            self.end_run()
        if style.level:
            self.builder.add_heading(text, min(style.level, 6))
            self.title = self.title or (text if style.title else "")
        elif style.listed:
            self.builder.add(f"- {text.strip()}", gap="\n" if self._in_list else "\n\n", kind=BlockKind.LIST_ITEM)
            self._in_list = True
        else:
            self.builder.add(text)
        for note in self._notes_of(element):
            self.builder.add(note, gap="\n")

    def _notes_of(self, element: Element) -> Iterable[str]:
        if not self._notes:
            return
        for node in element.iter("{*}footnoteReference", "{*}endnoteReference", "{*}commentReference"):
            note = self._notes.get((local_name(node).removesuffix("Reference"), value_of(node, "id")))
            if note:
                yield note


def _surroundings(element: Element) -> str:
    """ "body" for what stands in the body, "tbl" for a row of a table in the body, "" for what is further inside."""
    inside = ""
    for above in element.iterancestors():
        name = local_name(above)
        if name == "body":
            return inside or "body"
        if name == "tbl" and not inside and local_name(element) == "tr":
            inside = "tbl"
        elif name not in _WRAPPERS:
            return ""
    return ""


def _row(element: Element) -> str:
    cells = (" ".join(" ".join(_texts(cell)).split()) for cell in element.iter("{*}tc") if _row_of(cell) is element)
    return clean_text(" | ".join(cells))


def _row_of(cell: Element) -> Element:
    return next(above for above in cell.iterancestors() if local_name(above) == "tr")


def _texts(element: Element) -> Iterable[str]:
    """The text below ``element`` without what was deleted; of alternatives the first."""
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name == "oMath":
            yield math_text(child)
        elif name not in _SKIPPED:
            yield _SPACES.get(name, "")
            yield from _texts(child)


def _styles(package: GuardedZip, part: str) -> Styles:
    """Without readable styles the document is all paragraphs, which is better than no document."""
    try:
        return read_styles(parse_xml(package.read(part), what=part)) if part in package else Styles()
    except InvalidInput:
        return Styles()


def _notes(package: GuardedZip, part: str, kind: str, label: str) -> dict[tuple[str, str], str]:
    """Footnotes, endnotes or comments by (kind, id); what holds no text (separators) is left out."""
    if part not in package:
        return {}
    try:
        root = parse_xml(package.read(part), what=part)
    except InvalidInput:
        return {}
    texts = {(kind, value_of(node, "id")): " ".join("".join(_texts(node)).split()) for node in root}
    return {key: label + clean_text(text) for key, text in texts.items() if text}
