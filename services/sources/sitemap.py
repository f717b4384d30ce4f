"""Sitemaps: indexes and lists of pages, plain or gzipped, read piece by piece and bounded in every direction."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

from services.errors import SourceError
from services.sources.fetch.decoding import BadEncoding, inflated

MAX_ENTRIES = 50_000
MAX_SITEMAP_BYTES = 50 * 1024 * 1024  # the protocol's own limit, unpacked
MAX_TEXT_CHARS = 2_000
MAX_DEPTH = 100
MAX_TOKEN_BYTES = 1024 * 1024
_BLOCK_BYTES = 64 * 1024
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a sitemap: a page, or (of an index) another sitemap. ``lastmod`` as it stands there, "" for none."""

    url: str
    lastmod: str = ""


@dataclass(slots=True)
class Sitemap:
    """What a sitemap holds. ``truncated``: it holds more than is read."""

    is_index: bool = False
    entries: list[Entry] = field(default_factory=list)
    truncated: bool = False


def read_sitemap(body: BinaryIO) -> Sitemap:
    """The entries of a sitemap file: XML, or plain text with a URL per line; gzipped or not.

    Raises:
        SourceError: code ``bad-sitemap``: neither, damaged, or larger than sitemaps may be.
    """
    start = body.read(2)
    body.seek(0)
    raw: Iterator[bytes] = iter(lambda: body.read(_BLOCK_BYTES), b"")
    parts = _bounded(inflated(raw) if start == _GZIP else raw)
    try:
        first = next(parts, b"")
        text = first.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text.startswith(b"<"):
            return _read_xml(text, parts)
        if text.lower().startswith((b"http://", b"https://")):
            return _read_lines(text, parts)
    except BadEncoding as error:
        raise _bad(str(error)) from None
    raise _bad("it begins neither as XML nor with a URL")


def _bounded(parts: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_SITEMAP_BYTES:
            raise _bad(f"it is larger than {MAX_SITEMAP_BYTES:,} bytes")
        yield part


def _bad(why: str) -> SourceError:
    return SourceError(
        f"the sitemap cannot be read: {why}. Give the address of a sitemap (often /sitemap.xml; robots.txt names it)",
        code="bad-sitemap",
    )


def _read_lines(first: bytes, parts: Iterator[bytes]) -> Sitemap:
    found, rest = Sitemap(), first
    for part in chain(parts, (b"\n",)):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            url = line.decode("utf-8", "replace").strip()
            if url and len(url) <= MAX_TEXT_CHARS and not _add(found, Entry(url)):
                return found
        rest = rest[: MAX_TEXT_CHARS * 4]
    return found


def _add(sitemap: Sitemap, entry: Entry) -> bool:
    """Adds an entry; False when there is no room for it."""
    if len(sitemap.entries) >= MAX_ENTRIES:
        sitemap.truncated = True
        return False
    sitemap.entries.append(entry)
    return True


def _read_xml(first: bytes, parts: Iterator[bytes]) -> Sitemap:
    reader = _XmlReader()
    reader.feed(first)
    for part in parts:
        reader.feed(part)
        if reader.found.truncated:
            return reader.found
    reader.end()
    if not reader.known:
        raise _bad(f"its outermost element is <{reader.outermost[:40]}>, not <urlset> or <sitemapindex>")
    return reader.found


class _XmlReader:
    """Expat with handlers; no tree is built, nothing is loaded, and a file that declares entities is refused."""

    def __init__(self) -> None:
        self.found = Sitemap()
        self.outermost = ""
        self.known = False
        self._fed = 0
        self._depth = 0
        self._wanted = ""
        self._texts: dict[str, str] = {}
        self._parser = xml.parsers.expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.buffer_text = True  # else every line end is a call of its own: 40 MB of them took 5.5 s
        self._parser.buffer_size = _BLOCK_BYTES
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = self._entity

    def feed(self, data: bytes) -> None:
        """Reads on. Raises SourceError.

        Expat before 2.6 reads a tag or comment that has no end from its beginning again with every part
        (CVE-2023-52425), so such a one may not be long.
        """
        self._fed += len(data)
        try:
            self._parser.Parse(data, False)
        except xml.parsers.expat.ExpatError as error:
            raise _bad(f"it is not well-formed XML ({error})") from None
        if self._fed - max(self._parser.CurrentByteIndex, 0) > MAX_TOKEN_BYTES:
            raise _bad(f"it holds a tag or comment of more than {MAX_TOKEN_BYTES:,} bytes")

    def end(self) -> None:
        """The file is over. Raises SourceError when it should go on."""
        try:
            self._parser.Parse(b"", True)
        except xml.parsers.expat.ExpatError as error:
            raise _bad(f"it is not well-formed XML ({error})") from None

    def _start(self, name: str, _: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _bad("its elements are nested too deep")
        if self._depth == 1:
            self.outermost = name
            self.known = name in ("urlset", "sitemapindex")
            self.found.is_index = name == "sitemapindex"
        elif self._depth == 2:
            self._texts = {}
        self._wanted = name if self._depth == 3 and name in ("loc", "lastmod") else ""

    def _text(self, text: str) -> None:
        if self._wanted:
            known = self._texts.get(self._wanted, "")
            if len(known) <= MAX_TEXT_CHARS:
                self._texts[self._wanted] = known + text

    def _end(self, _: str) -> None:
        self._depth -= 1
        self._wanted = ""
        url = self._texts.get("loc", "").strip()
        if self._depth == 1 and self.known and url and len(url) <= MAX_TEXT_CHARS and not self.found.truncated:
            _add(self.found, Entry(url, self._texts.get("lastmod", "").strip()[:40]))

    def _entity(self, *_: object) -> None:
        raise _bad("it declares entities, which sitemaps have no use for")
