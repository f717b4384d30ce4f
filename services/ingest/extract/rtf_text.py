"""Paragraphs, tables, lists and notes of an RTF text as they come to their end."""

from __future__ import annotations

from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.values import BlockKind

_MOST_HEADING_CHARS = 300


class RtfText:
    """Collects what the reader finds. ``level`` (0 for none), ``listed`` and ``in_table`` hold for the paragraph."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self.level = 0
        self.listed = False
        self.in_table = False
        self._text: list[str] = []
        self._note: list[str] = []
        self._notes: list[str] = []
        self._cells: list[str] = []
        self._rows: list[str] = []
        self._in_list = False

    def add(self, text: str) -> None:
        """Characters of the present paragraph or cell."""
        self._text.append(text)

    def add_note(self, text: str) -> None:
        """Characters of a footnote."""
        self._note.append(text)

    def end_note(self) -> None:
        """A footnote is complete; it follows the paragraph that refers to it."""
        text = " ".join(_whole(self._note).split())
        self._note = []
        if text:
            self._notes.append(f"Note: {text}")

    def reset(self) -> None:
        """The settings of the paragraph go back to none."""
        self.level, self.listed, self.in_table = 0, False, False

    def end_paragraph(self) -> None:
        """A paragraph ends; inside a cell that is only a blank."""
        if self.in_table:
            self._text.append(" ")
            return
        self._end_table()
        text = _whole(self._text)
        self._text = []
        if not text.strip():
            return
        if self.level and len(text) <= _MOST_HEADING_CHARS:
            self.builder.add_heading(text, min(self.level, 6))
        elif self.listed:
            gap = "\n" if self._in_list else "\n\n"
            self.builder.add(f"- {text.strip()}", gap=gap, kind=BlockKind.LIST_ITEM)
        else:
            self.builder.add(text)
        self._in_list = self.listed and not self.level
        self._end_notes()

    def end_cell(self) -> None:
        """A cell ends."""
        self._cells.append(" ".join(_whole(self._text).split()))
        self._text = []

    def end_row(self) -> None:
        """A row ends; what follows stands outside of the table until it says otherwise."""
        row = " | ".join(self._cells)
        if row.strip(" |"):
            self._rows.append(row)
        self._cells = []
        self.in_table = False

    def _end_table(self) -> None:
        if self._rows:
            self.builder.add("\n".join(self._rows), kind=BlockKind.TABLE)
            self._rows = []
            self._in_list = False
            self._end_notes()

    def _end_notes(self) -> None:
        for note in self._notes:
            self.builder.add(note, gap="\n")
        self._notes = []

    def finish(self) -> None:
        """The end of the file: what is open ends here."""
        if self._cells:
            self.end_row()
        self.in_table = False
        self.end_paragraph()


def _whole(parts: list[str]) -> str:
    """The text of ``parts``: the two halves of a character beyond the first plane come one by one."""
    joined = "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean_text(joined)
