"""What a file is: by its content first, then by its name, last by what the sender says.

Read are the first 64 kB, the last ones, and the directory of a ZIP or OLE container: a file of a gigabyte costs no
more than a small one. A name that promises another kind of file altogether ("photo.png" with a PDF in it) is refused,
because one of the two is a mistake or a trick; a name that promises text promises nothing.
"""

from __future__ import annotations

import io
import re
from typing import BinaryIO, NamedTuple

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.decode import looks_binary
from services.ingest.extract.registry import is_added
from services.ingest.extract.types import words
from services.ingest.kinds.containers import (
    DOCX,
    EPUB,
    MSG,
    ODP,
    ODS,
    ODT,
    PPTX,
    XLS,
    XLSX,
    ZIP,
    ends_as_zip,
    ole_content,
    zip_content,
)
from services.ingest.kinds.magic import foreign_format
from services.ingest.kinds.media_kinds import PICTURES, SOUNDS, media_kind, modality_of
from services.ingest.kinds.sniff_text import (
    HTML,
    MAIL,
    NOTEBOOK,
    XML,
    beginning,
    has_mark,
    header_names,
    is_element,
    is_mail,
    is_notebook,
    json_kind,
    markup_kind,
)
from services.ingest.rows.tabular import ATOM, CSV, JSON, NDJSON, RSS

PDF = "application/pdf"
RTF = "application/rtf"

_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 8 * 1024
_BLANKS = b" \t\r\n\0\xef\xbb\xbf"
_SOURCES = frozenset({NDJSON, CSV, ZIP, RSS, ATOM})
_BY_EXTENSION = {
    "md": "text/markdown", "markdown": "text/markdown", "mdown": "text/markdown", "rst": "text/x-rst",
    "rest": "text/x-rst", "html": HTML, "htm": HTML, "xhtml": HTML, "ndjson": NDJSON, "jsonl": NDJSON, "json": JSON,
    "csv": CSV, "tsv": CSV, "eml": MAIL, "ipynb": NOTEBOOK, "xml": XML, "rss": XML, "atom": XML,
    "rdf": XML, "svg": XML,
}  # fmt: skip
_BY_CLAIM = {
    "application/jsonl": NDJSON, "application/jsonlines": NDJSON, NDJSON: NDJSON, JSON: JSON, CSV: CSV,
    "application/xhtml+xml": HTML, HTML: HTML, "text/markdown": "text/markdown", "text/x-markdown": "text/markdown",
    "text/x-rst": "text/x-rst", "text/prs.fallenstein.rst": "text/x-rst", "text/tab-separated-values": CSV,
    MAIL: MAIL, NOTEBOOK: NOTEBOOK, XML: XML, "text/xml": XML, RSS: XML, ATOM: XML,
}  # fmt: skip
_WORDS = frozenset({DOCX, ODT, RTF, HTML, XML})
_SHEETS = frozenset({XLSX, XLS, ODS, HTML, XML, CSV})
_SLIDES = frozenset({PPTX, ODP})
_ZIPPED = frozenset({ZIP, DOCX, PPTX, XLSX, ODT, ODS, ODP, EPUB})
# What a name promises: how it is called, and the content that keeps the promise. Plain text rarely does.
_PROMISES: dict[str, tuple[str, frozenset[str]]] = {
    "pdf": ("a PDF", frozenset({PDF})),
    "epub": ("an EPUB", frozenset({EPUB})),
    "msg": ("an Outlook message", frozenset({MSG, MAIL, "text/plain"})),  # robots define their messages so
    "doc": ("a text document", _WORDS | {"text/plain"}),  # so was documentation named before Word
    "zip": ("a ZIP archive", _ZIPPED),
    **dict.fromkeys(("docx", "docm", "dotx", "dotm", "odt", "ott", "rtf"), ("a text document", _WORDS)),
    **dict.fromkeys(("xlsx", "xlsm", "xlsb", "xltx", "xls", "xlt", "ods", "ots"), ("a spreadsheet", _SHEETS)),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "potx", "ppt", "pps", "odp", "otp"), ("a presentation", _SLIDES)),
    **dict.fromkeys(words("png jpg jpeg jpe gif bmp tif tiff webp heic avif ico psd"), ("an image", PICTURES)),
    **dict.fromkeys(words("mp3 wav flac ogg oga opus m4a aac mp4 mov avi mkv webm"), ("sound or video", SOUNDS)),
    **dict.fromkeys(words("exe dll msi class jar apk wasm"), ("a program", frozenset())),
    **dict.fromkeys(words("gz tgz bz2 xz zst 7z rar tar iso dmg"), ("another kind of archive", frozenset())),
}
_PROMISED_BY_CLAIM = {
    PDF: "pdf", EPUB: "epub", MSG: "msg", ZIP: "zip", "application/x-zip-compressed": "zip", DOCX: "docx",
    PPTX: "pptx", XLSX: "xlsx", XLS: "xls", ODT: "odt", ODS: "ods", ODP: "odp", RTF: "rtf", "text/rtf": "rtf",
}  # fmt: skip
# What a container with a broken directory is taken for, so that its reader can say what is broken.
_BROKEN_ZIP = {"docx": DOCX, "docm": DOCX, "pptx": PPTX, "xlsx": XLSX, "xlsm": XLSX, "epub": EPUB, "odt": ODT,
               "ods": ODS, "odp": ODP, "zip": ZIP}  # fmt: skip
_BROKEN_OLE = {"xls": XLS, "msg": MSG}
_PDF_MARK = re.compile(rb"%PDF-\d\.\d")


class Sniffed(NamedTuple):
    """What a file is read as. ``is_source``: it holds many documents, one per line, row, item or member."""

    media_type: str
    is_source: bool


class _Look(NamedTuple):
    """A file as far as it is looked at."""

    file: BinaryIO
    size: int
    head: bytes
    tail: bytes


def sniff(body: bytes | BinaryIO, name: str, claimed: str = "", *, media: bool = False) -> Sniffed:
    """What to read ``body`` as; a media type that ``extract`` or, for a source, ``read_rows`` knows.

    Args:
        body: the bytes, or a seekable file of them; its position afterwards is its beginning.
        name: the file's name; only its extension counts.
        claimed: the media type the sender gave; it counts where content and name say nothing.
        media: whether pictures and sounds are taken too.

    Raises:
        InvalidInput: nothing in it (code ``empty-file``), a container that is broken (``damaged-file``) or protected
            (``encrypted``).
        UnsupportedMedia: a format that is not read, named by its content; or content and name contradict each other.
    """
    file = io.BytesIO(body) if isinstance(body, bytes) else body
    try:
        look = _look(file)
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        claimed = claimed.split(";", 1)[0].strip().lower()
        if is_added(claimed):
            return Sniffed(claimed, is_source=False)
        promised = extension if extension in _PROMISES else ""
        if not promised and extension not in _BY_EXTENSION:
            promised = _PROMISED_BY_CLAIM.get(claimed, "png" if _is_picture(claimed) else "")
        kind = (_media(look, promised, claimed) if media else None) or _container(look, promised)
        kind = kind or _text(look, extension, claimed, promised)
        _check_promise(kind.media_type, promised, extension, claimed)
        return kind
    finally:
        file.seek(0)


def _is_picture(claimed: str) -> bool:
    return claimed.startswith("image/") and claimed != "image/svg+xml"


def _look(file: BinaryIO) -> _Look:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    block = head
    while not block.strip(_BLANKS):
        block = file.read(1024 * 1024)
        if not block:
            raise InvalidInput("the file is empty; there is nothing to search in it", code="empty-file")
    file.seek(max(size - _TAIL_BYTES, 0))
    return _Look(file, size, head, file.read(_TAIL_BYTES))


def _media(look: _Look, promised: str, claimed: str) -> Sniffed | None:
    """Pictures and sounds, by their signatures."""
    kind = media_kind(look.head, is_mp3=promised == "mp3" or claimed in ("audio/mpeg", "audio/mp3"))
    if kind and ends_as_zip(look.file, look.size):
        raise _unsupported(
            f"it is {_SHOWN_MEDIA[modality_of(kind)]} and a ZIP archive at once, which no program writes"
        )
    return Sniffed(kind, is_source=False) if kind else None


def _container(look: _Look, promised: str) -> Sniffed | None:
    """The binary formats, by their signatures."""
    head = look.head
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        content = zip_content(look.file, look.size)
        if _PDF_MARK.search(head[:1024]) and b"%%EOF" in look.tail:
            raise _unsupported("it is a ZIP archive and a PDF at once, which no program writes")
        return _held(content.media_type, content.what, content.code) if content else _broken(promised, _BROKEN_ZIP)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        content = ole_content(look.file)
        return _held(content.media_type, content.what, content.code) if content else _broken(promised, _BROKEN_OLE)
    if _is_pdf(look, promised):
        if ends_as_zip(look.file, look.size):
            raise _unsupported("it is a PDF and a ZIP archive at once, which no program writes")
        return Sniffed(PDF, is_source=False)
    if head.startswith(b"{\\rtf"):
        return Sniffed(RTF, is_source=False)
    foreign = foreign_format(head)
    if foreign:
        raise _unsupported(f"it is {foreign}")
    return None


def _held(media_type: str, what: str, code: str) -> Sniffed:
    if media_type:
        return Sniffed(media_type, media_type in _SOURCES)
    if code == "encrypted":
        raise InvalidInput(f"this file cannot be read: it is {what}", code=code)
    raise _unsupported(f"it is {what}")


def _broken(promised: str, families: dict[str, str]) -> Sniffed:
    media_type = families.get(promised)
    if media_type is None:
        raise InvalidInput(
            "the file begins as a container (a ZIP archive or an office document) and its directory cannot be read; "
            "it is cut off or damaged: get it again from where it comes",
            code="damaged-file",
        )
    return Sniffed(media_type, media_type in _SOURCES)


def _is_pdf(look: _Look, promised: str) -> bool:
    """Readers take a PDF that begins within the first kilobyte; a text that tells about PDFs must not be one."""
    if look.head.startswith(b"%PDF-"):
        return True
    found = _PDF_MARK.search(look.head[:1024])
    return found is not None and (
        promised == "pdf" or (b"%%EOF" in look.tail and looks_binary(look.head[found.start() :]))
    )


def _text(look: _Look, extension: str, claimed: str, promised: str) -> Sniffed:
    """Everything that is written in characters."""
    named = _BY_EXTENSION.get(extension, "") or _BY_CLAIM.get(claimed, "")
    if not named and looks_binary(look.head) and not has_mark(look.head):
        raise _unsupported("its content is binary")
    start = beginning(look.head)
    markup = markup_kind(start) if named not in ("text/markdown", "text/x-rst", CSV, NDJSON) else ""
    if markup:
        named = markup
    elif named == XML and not is_element(start):
        named = ""
    elif named in ("", JSON, NOTEBOOK) and is_notebook(start, look.tail.decode("utf-8", "replace")):
        named = NOTEBOOK
    elif named == NOTEBOOK:
        named = JSON if start.lstrip().startswith("{") else ""
    elif (not named and is_mail(start)) or named == MAIL:
        named = MAIL if _mail_header(start) else ""
    if named == JSON:
        return Sniffed(*json_kind(start))
    if promised in ("xls", "xlt") and not named and "\t" in start.split("\n", 1)[0]:
        named = CSV  # what many programs export as "Excel" is a table of tabs
    return Sniffed(named or "text/plain", named in _SOURCES)


def _mail_header(start: str) -> bool:
    """Named as a mail it may begin with the line that mailboxes put before each."""
    return bool(header_names(start.partition("\n")[2] if start.startswith("From ") else start))


def _check_promise(media_type: str, promised: str, extension: str, claimed: str) -> None:
    if not promised or media_type in _PROMISES[promised][1]:
        return
    what, _ = _PROMISES[promised]
    said = f"its name ends in .{extension}" if promised == extension else f"it was sent as {claimed[:60]!r}"
    raise _unsupported(
        f"{said}, which means {what}, and its content is {_shown(media_type)}; give it the name that fits its content"
    )


def _shown(media_type: str) -> str:
    if media_type in _SHOWN:
        return _SHOWN[media_type]
    if modality_of(media_type) != "text":
        return _SHOWN_MEDIA[modality_of(media_type)]
    return "text" if media_type.startswith("text/") else media_type


_SHOWN = {
    PDF: "a PDF", RTF: "an RTF document", DOCX: "a Word document", XLSX: "a spreadsheet", XLS: "a spreadsheet",
    ODS: "a spreadsheet", PPTX: "a presentation", ODP: "a presentation", ODT: "a text document", EPUB: "an EPUB",
    ZIP: "a ZIP archive", MSG: "an Outlook message", MAIL: "a mail", HTML: "an HTML page", XML: "XML",
    RSS: "a feed", ATOM: "a feed", JSON: "JSON", NDJSON: "lines of JSON", NOTEBOOK: "a notebook", CSV: "a table",
}  # fmt: skip


_SHOWN_MEDIA = {"image": "a picture", "audio": "a sound"}


def _unsupported(problem: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"this file cannot be read: {problem}. Read are PDF, Word, PowerPoint, Excel, OpenDocument, EPUB and RTF "
        "files, mail, notebooks, HTML, Markdown, reStructuredText, XML, feeds, plain text, JSON, NDJSON, CSV, TSV, "
        "and ZIP archives of these; in a collection whose model embeds them PNG, JPEG, WebP and GIF pictures, or WAV, "
        "FLAC, Ogg and MP3 sounds"
    )
