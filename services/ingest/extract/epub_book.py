"""What an EPUB says of itself: its chapters in order, their names in the table of contents, title, author, language."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import unquote

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.ooxml import dublin_core
from services.ingest.extract.properties import SelfDescription
from services.ingest.extract.safe_xml import Element, local_name, parse_xml
from services.ingest.extract.zip_guard import GuardedZip, damaged, open_zip

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_CHAPTER_TYPES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_NCX = "application/x-dtbncx+xml"
_MAX_LABEL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Book:
    """``chapters`` are members of ``package`` in reading order; ``labels`` has their names by the table of contents."""

    package: GuardedZip
    chapters: Sequence[str]
    labels: Mapping[str, str]
    properties: SelfDescription


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    media_type: str
    is_contents: bool


def open_book(body: bytes) -> Book:
    """Reads the package document of a book.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file`` or ``zip-bomb``.
    """
    package = open_zip(BytesIO(body))
    opf = _package_document(package)
    root = parse_xml(package.read(opf), what=opf)
    folder = posixpath.dirname(opf)
    items = {
        node.get("id", ""): _Item(
            _path(folder, node.get("href", "")),
            node.get("media-type", ""),
            "nav" in node.get("properties", "").split(),
        )
        for node in root.iter("{*}item")
    }
    spine = [items[ref] for node in root.iter("{*}itemref") if (ref := node.get("idref", "")) in items]
    chapters = [item.path for item in spine if item.media_type in _CHAPTER_TYPES and not item.is_contents]
    _refuse_protected(package, frozenset(chapters))
    metadata = next(root.iter("{*}metadata"), None)
    # Books of the first edition keep these one level further down.
    inner = next(root.iter("{*}dc-metadata"), metadata)
    return Book(
        package,
        # A chapter that stands twice in the order of reading is read once.
        tuple(dict.fromkeys(chapters)),
        _labels(package, items.values()),
        dublin_core(inner) if inner is not None else SelfDescription(),
    )


def _package_document(package: GuardedZip) -> str:
    if _CONTAINER in package:
        root = parse_xml(package.read(_CONTAINER), what=_CONTAINER)
        told = next((node.get("full-path", "") for node in root.iter("{*}rootfile")), "")
        if told in package:
            return told
    found = next((name for name in package.names if name.endswith(".opf")), "")
    if not found:
        raise damaged("it has no package document (.opf), so it is no book or was cut off")
    return found


def _path(folder: str, reference: str) -> str:
    path = unquote(reference.partition("#")[0])
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def _refuse_protected(package: GuardedZip, chapters: frozenset[str]) -> None:
    """Scrambled fonts are common and do no harm; encrypted chapters cannot be read.

    Raises:
        InvalidInput: code ``encrypted``.
    """
    if _ENCRYPTION not in package:
        return
    root = parse_xml(package.read(_ENCRYPTION), what=_ENCRYPTION)
    for data in root.iter("{*}EncryptedData"):
        target = next((_path("", node.get("URI", "")) for node in data.iter("{*}CipherReference")), "")
        if target in chapters:
            raise InvalidInput(
                "the book is encrypted (copy protection): its text cannot be read; add a copy without protection",
                code="encrypted",
            )


def _labels(package: GuardedZip, items: Iterable[_Item]) -> dict[str, str]:
    """The first name that the table of contents (EPUB 3 or 2) gives to each file; a broken one gives none."""
    labels: dict[str, str] = {}
    for item in items:
        if item.path not in package or not (item.is_contents or item.media_type == _NCX):
            continue
        try:
            root = parse_xml(package.read(item.path), what=item.path)
        except InvalidInput:
            continue
        folder = posixpath.dirname(item.path)
        for target, label in _links(root) if item.is_contents else _points(root):
            text = " ".join(clean_text(label).split())[:_MAX_LABEL_CHARS]
            labels.setdefault(_path(folder, target), text)
    return labels


def _links(root: Element) -> Iterator[tuple[str, str]]:
    for node in root.iter("{*}a"):
        yield node.get("href", ""), "".join(node.itertext())


def _points(root: Element) -> Iterator[tuple[str, str]]:
    for point in root.iter("{*}navPoint"):
        parts = {local_name(child): child for child in reversed(point)}
        if "content" in parts and "navLabel" in parts:
            yield parts["content"].get("src", ""), "".join(parts["navLabel"].itertext())
