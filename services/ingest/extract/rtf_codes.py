"""The words of RTF that matter for its text."""

from __future__ import annotations

import codecs

from services.ingest.extract.types import words

CHARACTERS = {
    "tab": "\t", "line": "\n", "emdash": "\u2014", "endash": "\u2013", "emspace": " ", "enspace": " ",
    "qmspace": " ", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c",
    "rdblquote": "\u201d", "~": "\xa0", "_": "-", "{": "{", "}": "}", "\\": "\\",
}  # fmt: skip
PARAGRAPH_ENDS = words("par sect page \n \r")
# Groups that hold no text of the document.
SKIPPED = words(
    "colortbl listtable listoverridetable revtbl rsidtbl filetbl pict object objdata objclass objname header headerl "
    "headerr headerf footer footerl footerr footerf fldinst bkmkstart bkmkend template operator company manager "
    "category comment doccomm keywords subject themedata colorschememapping datastore latentstyles xmlnstbl generator "
    "nonesttables sp background listtext pntext pn annotation atnid atnauthor atndate atnref atrfstart atrfend "
    "atntime atnicn xe tc userprops hlinkbase revtim printim buptim htmltag"
)
# Groups marked as "skip if unknown" that do hold text.
KNOWN = words("shpinst shptxt footnote")
INFORMATION = words("title author creatim")

_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_PAGES = {65001: "utf-8", 10000: "mac_roman"}


def codec_of_charset(number: int, usual: str) -> str:
    """The codec of a font's character set; the document's own where it says nothing."""
    return _CHARSETS.get(number, usual) if number else usual


def codec_of_page(number: int) -> str:
    """The codec of a Windows code page; windows-1252 for one that nobody knows."""
    name = _PAGES.get(number, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
