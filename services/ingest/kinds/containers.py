"""What kind of document a ZIP or OLE container holds: seen from its directory alone, with bounded reading.

Nothing is inflated but the first 64 kB of a type declaration, and nothing is trusted: offsets are checked, chains have
an end. A directory that makes no sense gives None; the reader of the format says later what is broken.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import BinaryIO, NamedTuple

_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = f"{_OFFICE}wordprocessingml.document"
PPTX = f"{_OFFICE}presentationml.presentation"
XLSX = f"{_OFFICE}spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
MSG = "application/vnd.ms-outlook"
EPUB = "application/epub+zip"
ZIP = "application/zip"
_OPEN = "application/vnd.oasis.opendocument."
ODT, ODS, ODP = f"{_OPEN}text", f"{_OPEN}spreadsheet", f"{_OPEN}presentation"

_END = b"PK\x05\x06"
_TAIL_BYTES = 65_557  # the longest comment and the record before it
_DIRECTORY_BYTES = 1024 * 1024
_DECLARATION_BYTES = 64 * 1024
_OLE_SECTORS = 256
_NO_ENTRY = 0xFFFFFFFF
_PART_TYPES = (
    (re.compile(rb"wordprocessingml\.(?:document|template)\.main|ms-word\.(?:document|template)\.macro"), DOCX),
    (
        re.compile(
            rb"presentationml\.(?:presentation|slideshow|template)\.main|ms-powerpoint\.(?:presentation|slideshow|template)\.macro"
        ),
        PPTX,
    ),
    (
        re.compile(
            rb"spreadsheetml\.(?:sheet|template)\.main|ms-excel\.(?:sheet|template)\.macro|ms-excel\.sheet\.binary"
        ),
        XLSX,
    ),
)


class Content(NamedTuple):
    """What a container holds: a media type that is read, or else ``what`` names what it is, for people.

    ``code``: the error's code where it is no question of the format.
    """

    media_type: str
    what: str = ""
    code: str = "unsupported-media-type"


class _Entry(NamedTuple):
    method: int
    packed: int
    offset: int
    flags: int


def zip_content(body: BinaryIO, size: int) -> Content | None:
    """What the ZIP of ``size`` bytes holds; None where its directory cannot be found."""
    entries = zip_directory(body, size)
    if entries is None:
        return None
    if not entries:
        return Content("", "an empty ZIP archive")
    if "mimetype" in entries:
        declared = _inflated(body, entries["mimetype"]).decode("ascii", "replace").strip()
        found = _by_declaration(declared)
        if found:
            return found
    if "[Content_Types].xml" in entries:
        return _office(_inflated(body, entries["[Content_Types].xml"]), entries)
    if "META-INF/container.xml" in entries:
        return Content(EPUB)
    if "META-INF/MANIFEST.MF" in entries or "AndroidManifest.xml" in entries:
        return Content("", "a program (JAR or APK)")
    if any(name.endswith(".iwa") for name in entries) or "index.apxl" in entries:
        return Content("", "an Apple iWork document; export it as PDF")
    return Content(ZIP)


def ends_as_zip(body: BinaryIO, size: int) -> bool:
    """Whether the file is a ZIP to its last byte; a PDF with an archive attached is none."""
    body.seek(max(size - _TAIL_BYTES, 0))
    tail = body.read(_TAIL_BYTES)
    at = tail.rfind(_END)
    return at >= 0 and tail[at + 20 : at + 22] == struct.pack("<H", max(len(tail) - at - 22, 0) & 0xFFFF)


def _by_declaration(declared: str) -> Content | None:
    if declared == EPUB:
        return Content(EPUB)
    for kind in (ODT, ODS, ODP):
        if declared.startswith(kind):
            return Content(kind)
    if declared.startswith(_OPEN):
        return Content("", f"an OpenDocument {declared[len(_OPEN) :][:30]}; export it as PDF")
    return None


def _office(declaration: bytes, entries: dict[str, _Entry]) -> Content:
    for pattern, media_type in _PART_TYPES:
        if pattern.search(declaration):
            return Content(media_type)
    for name, media_type in (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX)):
        if any(entry.startswith(name) for entry in entries):
            return Content(media_type)
    if any(entry.startswith("visio/") for entry in entries):
        return Content("", "a Visio drawing; export it as PDF")
    return Content(ZIP)


def zip_directory(body: BinaryIO, size: int) -> dict[str, _Entry] | None:
    """The entries that the first megabyte of the central directory names; None where there is no directory.

    Bytes behind the directory are passed over, as all unpackers do.
    """
    start = max(size - _TAIL_BYTES, 0)
    body.seek(start)
    tail = body.read(_TAIL_BYTES)
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail):
        return None
    length, offset, comment = struct.unpack_from("<IIH", tail, at + 12)
    if at + 22 + comment > len(tail):
        return None
    begin = start + at - length  # not where it says: what precedes an archive shifts every offset
    if offset == _NO_ENTRY or length == _NO_ENTRY:  # ZIP64: its directory stands before two more records
        begin = _zip64_directory(tail, at)
    if begin < 0:
        return None
    body.seek(begin)
    shift = begin - offset if offset != _NO_ENTRY else 0
    return _entries(body.read(min(length, _DIRECTORY_BYTES)), shift)


def _zip64_directory(tail: bytes, before: int) -> int:
    at = tail.rfind(b"PK\x06\x06", 0, before)
    if at < 0 or at + 56 > len(tail):
        return -1
    return int(min(struct.unpack_from("<Q", tail, at + 48)[0], 2**62))


def _entries(directory: bytes, shift: int) -> dict[str, _Entry] | None:
    found: dict[str, _Entry] = {}
    at = 0
    while directory.startswith(b"PK\x01\x02", at) and at + 46 <= len(directory):
        flags, method = struct.unpack_from("<HH", directory, at + 8)
        packed, _, name_length, extra, comment = struct.unpack_from("<IIHHH", directory, at + 20)
        (offset,) = struct.unpack_from("<I", directory, at + 42)
        name = directory[at + 46 : at + 46 + name_length].decode("utf-8", "replace")
        found.setdefault(name, _Entry(method, packed, offset + shift, flags))
        at += 46 + name_length + extra + comment
    return None if directory and not found else found


def _inflated(body: BinaryIO, entry: _Entry) -> bytes:
    """The beginning of an entry; b"" where it cannot be read."""
    if entry.offset < 0:
        return b""
    body.seek(entry.offset)
    header = body.read(30)
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        return b""
    name_length, extra = struct.unpack_from("<HH", header, 26)
    body.seek(entry.offset + 30 + name_length + extra)
    packed = body.read(min(entry.packed, _DECLARATION_BYTES))
    if entry.method == 0:
        return packed
    if entry.method != 8 or entry.flags & 1:
        return b""
    try:
        return zlib.decompressobj(-15).decompress(packed, _DECLARATION_BYTES)
    except zlib.error:
        return b""


def ole_content(body: BinaryIO) -> Content | None:
    """What an OLE compound file holds, by the names in its root; None where its directory cannot be read."""
    names = _ole_root_names(body)
    if names is None:
        return None
    if names & {"workbook", "book"}:
        return Content(XLS)
    if "__properties_version1.0" in names:
        return Content(MSG)
    if "worddocument" in names:
        return Content("", "an old Word document (.doc); save it as DOCX")
    if "powerpoint document" in names:
        return Content("", "an old PowerPoint presentation (.ppt); save it as PPTX")
    if "encryptedpackage" in names:
        return Content("", "an office document protected with a password; save it without one", "encrypted")
    return Content("", "an OLE file that holds no document of a kind that is read")


def _ole_root_names(body: BinaryIO) -> set[str] | None:
    body.seek(0)
    header = body.read(512)
    if len(header) < 512:
        return None
    (shift,) = struct.unpack_from("<H", header, 30)
    (sector,) = struct.unpack_from("<I", header, 48)
    if shift not in (9, 12):
        return None
    size = 1 << shift
    tables = struct.unpack_from("<109I", header, 76)
    directory = bytearray()
    seen: set[int] = set()
    while sector < 0xFFFFFFFA and sector not in seen and len(seen) < _OLE_SECTORS:
        seen.add(sector)
        body.seek((sector + 1) << shift)
        directory += body.read(size)
        sector = _next_sector(body, tables, sector, shift)
    return _root_names(bytes(directory))


def _next_sector(body: BinaryIO, tables: tuple[int, ...], sector: int, shift: int) -> int:
    per_table = 1 << (shift - 2)
    if sector // per_table >= len(tables):
        return _NO_ENTRY
    table = tables[sector // per_table]
    if table >= 0xFFFFFFFA:
        return _NO_ENTRY
    body.seek(((table + 1) << shift) + (sector % per_table) * 4)
    link = body.read(4)
    return int.from_bytes(link, "little") if len(link) == 4 else _NO_ENTRY


def _root_names(directory: bytes) -> set[str] | None:
    """Names of the root's children: they hang in a binary tree of entries of 128 bytes each."""
    if len(directory) < 128 or directory[66] != 5:
        return None
    names: set[str] = set()
    waiting = [struct.unpack_from("<I", directory, 76)[0]]
    seen: set[int] = set()
    while waiting:
        entry = waiting.pop()
        at = entry * 128
        if entry in seen or at + 128 > len(directory):
            continue
        seen.add(entry)
        length = min(struct.unpack_from("<H", directory, at + 64)[0], 64)
        names.add(directory[at : at + max(length - 2, 0)].decode("utf-16-le", "replace").lower())
        waiting += struct.unpack_from("<II", directory, at + 68)
    return names
