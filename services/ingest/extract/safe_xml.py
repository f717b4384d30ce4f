"""XML from strangers: no entity is declared or expanded, nothing is fetched, and a large part is read as a stream.

An entity declaration has no business in any of the formats that use this, so a part with one is refused before it is
parsed; libxml2's own limits (depth 256, amplification) stay on.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from lxml import etree

from services.errors import InvalidInput

_ENTITY = tuple("<!ENTITY".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))

Element = Any
"""An lxml element; the library has no types of its own."""


def parse_xml(part: bytes, *, what: str) -> Element:
    """The root element of a small part of a document.

    Args:
        part: the bytes of the XML.
        what: its name in the message of the error.

    Raises:
        InvalidInput: code ``damaged-file``; it is no well-formed XML or declares entities.
    """
    _refuse_entities(part, what)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(part, parser)
    except (etree.LxmlError, ValueError, LookupError) as error:
        raise _broken(what, error) from error
    if root is None:
        raise _broken(what, "it is empty")
    return root


def stream_xml(part: bytes, tags: tuple[str, ...], *, what: str) -> Iterator[Element]:
    """The elements of the given names ("{namespace}name") as each one ends, inner ones first.

    Whoever is done with one calls ``release`` so that memory stays bounded by the largest of them.

    Raises:
        InvalidInput: see ``parse_xml``; also in the middle of the stream.
    """
    _refuse_entities(part, what)
    try:
        events = etree.iterparse(
            BytesIO(part),
            events=("end",),
            tag=tags,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for _, element in events:
            yield element
    except (etree.LxmlError, ValueError, LookupError) as error:
        raise _broken(what, error) from error


def release(element: Element) -> None:
    """Drops what is inside ``element`` and its siblings before it."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def local_name(element: Element) -> str:
    """The name of ``element`` without its namespace; "" for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def value_of(node: Element, name: str = "val") -> str:
    """The attribute ``name`` in whatever namespace; "" when there is none."""
    return next((str(value) for key, value in node.attrib.items() if key.rpartition("}")[2] == name), "")


def _refuse_entities(part: bytes, what: str) -> None:
    if any(mark in part for mark in _ENTITY):
        raise _broken(what, "it declares entities, which no document of this kind needs")


def _broken(what: str, reason: object) -> InvalidInput:
    return InvalidInput(
        f"the file is damaged: its part {what[:200]!r} cannot be read ({str(reason)[:200]})", code="damaged-file"
    )
