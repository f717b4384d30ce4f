"""What the tokens of RTF say: characters in many encodings, groups that are text and groups that are not."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from services.ingest.extract.rtf_codes import (
    CHARACTERS,
    INFORMATION,
    KNOWN,
    PARAGRAPH_ENDS,
    SKIPPED,
    codec_of_charset,
    codec_of_page,
)
from services.ingest.extract.rtf_text import RtfText
from services.ingest.extract.rtf_tokens import Kind, Token

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_BODY, _SKIP, _FONTS, _STYLES, _NOTE = "body", "skip", "fonttbl", "stylesheet", "footnote"
_NO_LEVEL = 9  # the outline level that means "none"
_DAY_PARTS = ("yr", "mo", "dy")


@dataclass(frozen=True, slots=True)
class _Group:
    """What is in force inside a group: where its text goes, its codec, how many bytes replace a ``\\u``."""

    target: str = _BODY
    codec: str = "cp1252"
    replaced: int = 1
    hidden: bool = False


class RtfReader:
    """Takes the tokens one by one and fills ``text`` and ``information`` ("title", "author", "creatim")."""

    def __init__(self) -> None:
        self.text = RtfText()
        self.information: dict[str, str] = {}
        self._group = _Group()
        self._outer: list[_Group] = []
        self._codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._styles: dict[int, int] = {}
        self._style = 0
        self._style_name = ""
        self._pending = bytearray()
        self._to_skip = 0
        self._optional = False
        self._day: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether a group was opened that is not closed."""
        return bool(self._outer)

    def take(self, token: Token) -> None:
        """The next token."""
        if token.kind is Kind.BYTES:
            self._bytes(token.data)
            return
        if token.kind is Kind.WORD and token.word == "*":
            self._optional = True
            return
        self._flush()
        if token.kind is Kind.OPEN:
            self._outer.append(self._group)
        elif token.kind is Kind.CLOSE:
            self._close()
        else:
            self._word(token.word, token.number)
        self._optional = False

    def end(self) -> None:
        """The end of the file."""
        self._flush()
        self.text.finish()
        if {*_DAY_PARTS} <= self._day.keys():
            self.information["creatim"] = "{yr:04}-{mo:02}-{dy:02}".format_map(self._day)

    def _close(self) -> None:
        if not self._outer:
            return
        before, self._group = self._group, self._outer.pop()
        self._to_skip = 0
        if before.target == _NOTE and self._group.target != _NOTE:
            self.text.end_note()
        if before.target == _STYLES:
            heading = _HEADING.match(self._style_name.strip())
            if heading:
                self._styles[self._style] = int(heading.group(1))
            self._style, self._style_name = 0, ""

    def _bytes(self, data: bytes) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        if self._group.target != _SKIP and not self._group.hidden:
            self._pending += data

    def _flush(self) -> None:
        if self._pending:
            self._put(self._pending.decode(self._group.codec, "replace"))
            self._pending.clear()

    def _put(self, text: str) -> None:
        target = self._group.target
        if self._group.hidden or target in (_SKIP, _FONTS):
            return
        if target == _STYLES:
            self._style_name += text
        elif target in INFORMATION:
            self.information[target] = self.information.get(target, "") + text
        elif target == _NOTE:
            self.text.add_note(text)
        else:
            self.text.add(text)

    def _word(self, word: str, number: int | None) -> None:
        if self._to_skip:
            self._to_skip -= 1
            return
        if word == "u" and number is not None:
            self._put(chr(number % 0x10000))
            self._to_skip = self._group.replaced
        elif word in CHARACTERS:
            self._put(CHARACTERS[word])
        elif word in SKIPPED or (self._optional and word not in KNOWN):
            self._group = replace(self._group, target=_SKIP)
        elif self._group.target != _SKIP and not self._setting(word, number) and self._group.target == _BODY:
            self._layout(word, number)

    def _setting(self, word: str, number: int | None) -> bool:
        """Takes what concerns characters and groups; False for what it is not."""
        value = number if number is not None else 1
        if word in (_FONTS, _STYLES, _NOTE) or word in INFORMATION:
            self._group = replace(self._group, target=word)
        elif word == "ansicpg":
            self._codec = codec_of_page(value)
            self._group = replace(self._group, codec=self._codec)
        elif word == "f":
            self._font = value
            if self._group.target != _FONTS:
                self._group = replace(self._group, codec=self._fonts.get(value, self._codec))
        elif word == "fcharset":
            self._fonts[self._font] = codec_of_charset(value, self._codec)
        elif word == "uc":
            self._group = replace(self._group, replaced=max(value, 0))
        elif word in ("v", "htmlrtf"):
            self._group = replace(self._group, hidden=value != 0)
        elif word == "s" and self._group.target == _STYLES:
            self._style = value
        elif word in _DAY_PARTS and self._group.target == "creatim":
            self._day[word] = value
        else:
            return False
        return True

    def _layout(self, word: str, number: int | None) -> None:
        if word in PARAGRAPH_ENDS:
            self.text.end_paragraph()
        elif word == "pard":
            self.text.reset()
        elif word == "outlinelevel":
            self.text.level = number + 1 if number is not None and 0 <= number < _NO_LEVEL else 0
        elif word == "s":
            self.text.level = self._styles.get(number or 0, 0)
        elif word in ("ls", "pnlvlblt", "pnlvlbody"):
            self.text.listed = True
        elif word == "intbl":
            self.text.in_table = True
        elif word in ("cell", "nestcell"):
            self.text.end_cell()
        elif word in ("row", "nestrow"):
            self.text.end_row()
