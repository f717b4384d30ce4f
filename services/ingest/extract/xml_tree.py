"""XML from strangers as a tree: nothing is fetched, no entity of a document is expanded, depth and size have limits."""

from __future__ import annotations

import html
from collections.abc import Iterator

from lxml import etree

from services.errors import InvalidInput
from services.ingest.extract.safe_xml import Element, local_name


def parse_tree(body: bytes) -> tuple[Element, tuple[str, ...]]:
    """The root element and what had to be passed over.

    A document that breaks off or has errors is read as far as it goes. Refused by the parser: text and attributes over
    10 MB each and more than 256 levels (``huge_tree`` off), and entities that multiply.

    Raises:
        InvalidInput: there is no element in it (code ``damaged-file``).
    """
    problem = ""
    for recover in (False, True):
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            recover=recover,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            root = etree.fromstring(body, parser)
        except (etree.XMLSyntaxError, ValueError) as error:
            problem = problem or _told(error)
            continue
        if root is not None:
            return root, (f"it is no well-formed XML ({problem}): read as far as it goes",) if recover else ()
    raise InvalidInput(f"the XML cannot be read: {problem}; mend it and add it again", code="damaged-file")


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def lower_name(element: Element) -> str:
    """``local_name`` in lower case: what strangers write by hand is not held to it."""
    return local_name(element).lower()


def children(element: Element) -> Iterator[Element]:
    """The elements directly below."""
    return (child for child in element if isinstance(child.tag, str))


def text_below(element: Element) -> str:
    """All text inside. Of entities only those that HTML names become characters; what a document defines does not."""
    parts = [element.text or ""] if isinstance(element.tag, str) else []
    for node in element.iterdescendants():
        if node.tag is etree.Entity:
            parts.append(entity_text(node))
        elif isinstance(node.tag, str):
            parts.append(node.text or "")
        parts.append(node.tail or "")
    return "".join(parts)


def entity_text(node: Element) -> str:
    """The character of an entity that HTML names, "" for any other."""
    shown = html.unescape(f"&{node.name};")
    return "" if shown.startswith("&") and shown != "&" else shown
