"""ZIP and OLE families, told apart by their directories."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.kinds.containers import DOCX, EPUB, MSG, ODP, ODS, ODT, PPTX, XLS, XLSX, ZIP
from services.ingest.kinds.sniff import sniff

MAIN = "application/vnd.openxmlformats-officedocument.{}.main+xml"


def zipped(members: Mapping[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return body.getvalue()


def office(kind: str) -> bytes:
    declaration = f'<Types><Override PartName="/x.xml" ContentType="{kind}"/></Types>'.encode()
    return zipped({"[Content_Types].xml": declaration, "x.xml": b"<x/>"})


def compound(*names: str, root: int = 5) -> bytes:
    """An OLE file with one directory sector chain and no content."""
    entries = [("Root Entry", root, 1), *((name, 2, 0xFFFFFFFF) for name in names)]
    directory = b""
    for position, (name, kind, child) in enumerate(entries):
        raw = name.encode("utf-16-le") + b"\0\0"
        right = position + 1 if 0 < position < len(names) else 0xFFFFFFFF
        directory += raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), kind, 1, 0xFFFFFFFF, right, child)
        directory += b"\0" * (128 - 80)
    directory = directory.ljust((len(directory) + 511) // 512 * 512, b"\0")
    sectors = len(directory) // 512
    chain = [*range(2, sectors + 1), 0xFFFFFFFE]
    table = struct.pack(f"<{sectors + 1}I", 0xFFFFFFFD, *chain).ljust(512, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    header = header.ljust(44, b"\0") + struct.pack("<II", 1, 1)
    header = header.ljust(76, b"\0") + struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return header + table + directory


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (office(MAIN.format("wordprocessingml.document")), DOCX),
        (office("application/vnd.ms-word.document.macroEnabled.main+xml"), DOCX),
        (office(MAIN.format("presentationml.slideshow")), PPTX),
        (office(MAIN.format("spreadsheetml.sheet")), XLSX),
        (zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<x/>"}), DOCX),
        (zipped({"mimetype": b"application/epub+zip", "a": b"b"}, zipfile.ZIP_STORED), EPUB),
        (zipped({"META-INF/container.xml": b"<x/>"}), EPUB),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}), ODT),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet-template"}), ODS),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.presentation"}), ODP),
        (zipped({"notes/a.txt": b"hello"}), ZIP),
        (zipped({"mimetype": b"anything", "a.txt": b"x"}), ZIP),
        (compound("Workbook", "\x05SummaryInformation"), XLS),
        (compound("a", "b", "c", "d", "__properties_version1.0"), MSG),
    ],
)
def test_families_by_content(body: bytes, expected: str) -> None:
    assert sniff(body, "upload") == (expected, expected == ZIP)


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (zipped({}), "unsupported-media-type", "empty ZIP"),
        (zipped({"META-INF/MANIFEST.MF": b"x"}), "unsupported-media-type", "JAR"),
        (zipped({"mimetype": b"application/vnd.oasis.opendocument.graphics"}), "unsupported-media-type", "graphics"),
        (zipped({"Index/Document.iwa": b"x"}), "unsupported-media-type", "iWork"),
        (compound("WordDocument", "1Table"), "unsupported-media-type", "save it as DOCX"),
        (compound("PowerPoint Document"), "unsupported-media-type", "save it as PPTX"),
        (compound("EncryptionInfo", "EncryptedPackage"), "encrypted", "password"),
        (compound("anything"), "unsupported-media-type", "no document of a kind that is read"),
        (zipped({"a.txt": b"x" * 100})[:60], "damaged-file", "cut off"),
        (compound("Workbook")[:300], "damaged-file", "cut off"),
        (compound("Workbook", root=9), "damaged-file", "cut off"),
    ],
)
def test_what_no_reader_takes_is_refused_saying_why(body: bytes, code: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        sniff(body, "upload")
    assert caught.value.code == code


def test_a_broken_container_goes_to_the_reader_its_name_promises() -> None:
    body = zipped({"word/document.xml": b"x" * 1000})[:80]
    assert sniff(body, "report.docx").media_type == DOCX
    assert sniff(compound("Workbook")[:200], "old.xls").media_type == XLS


def test_a_pdf_and_an_archive_at_once_is_refused() -> None:
    archive = zipped({"a.txt": b"hello"})
    with pytest.raises(UnsupportedMedia, match="at once"):
        sniff(b"%PDF-1.4\nstream\nendstream\n%%EOF\n" + archive, "a.pdf")
    inside = b"%PDF-1.4\nstream\n" + archive + b"\nendstream\ntrailer\n%%EOF\n"
    assert sniff(inside, "a.pdf").media_type == "application/pdf"


def test_names_must_fit_the_family() -> None:
    assert sniff(office(MAIN.format("wordprocessingml.document")), "archive.zip").media_type == DOCX
    assert sniff(office(MAIN.format("wordprocessingml.document")), "old.doc").media_type == DOCX
    for name in ("slides.pptx", "book.epub", "a.pdf", "a.png"):
        with pytest.raises(UnsupportedMedia, match="its content is a Word document"):
            sniff(office(MAIN.format("wordprocessingml.document")), name)


def test_lying_directories_are_bounded() -> None:
    """Offsets beyond the file, chains that run in circles, a declaration that inflates without end."""
    body = bytearray(compound("Workbook"))
    body[512 + 4 : 512 + 8] = struct.pack("<I", 1)  # the directory's chain leads to itself
    assert sniff(bytes(body), "a").media_type == XLS
    bomb = zipped({"[Content_Types].xml": b" " * 50_000_000, "word/document.xml": b"x"})
    assert sniff(bomb, "a").media_type == DOCX
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 0xFFFFFFF0, 0xFFFFFFF0, 0)
    with pytest.raises(InvalidInput):
        sniff(b"PK\x03\x04" + b"x" * 100 + end, "a")
