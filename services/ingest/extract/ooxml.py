"""What DOCX, PPTX and XLSX have in common: a container, relations between its parts, and core properties.

Names are matched without their namespace: the strict and the transitional form of the standard differ in nothing else
that matters here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from services.errors import InvalidInput
from services.ingest.extract.ole_guard import OLE_MAGIC
from services.ingest.extract.properties import SelfDescription, clean_property, clean_title, iso_date, language_code
from services.ingest.extract.safe_xml import Element, local_name, parse_xml
from services.ingest.extract.zip_guard import GuardedZip, damaged, open_zip

_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part points to: ``kind`` is the last word of the relation's type ("slide"), ``target`` a member's name."""

    kind: str
    target: str


def open_package(body: bytes) -> GuardedZip:
    """The container of an Office document.

    Raises:
        InvalidInput: see ``open_zip``; ``encrypted`` for one that Office protected with a password.
    """
    refuse_encrypted(body)
    return open_zip(BytesIO(body))


def refuse_encrypted(body: bytes) -> None:
    """Office puts a document with a password into a container of the old kind.

    Raises:
        InvalidInput: code ``encrypted``.
    """
    if body.startswith(OLE_MAGIC) and _ENCRYPTED_STREAM in body:
        raise InvalidInput(
            "the document is encrypted: a password is needed to read it; save it without one and add it again",
            code="encrypted",
        )


def relations(package: GuardedZip, part: str) -> Mapping[str, Relation]:
    """What ``part`` ("" for the package itself) points to inside the package, by id, in the file's order."""
    folder, name = posixpath.split(part)
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if path not in package:
        return {}
    return {
        node.get("Id", ""): Relation(
            node.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, node.get("Target", ""))).lstrip("/"),
        )
        for node in parse_xml(package.read(path), what=path)
        if node.get("TargetMode") != "External"
    }


def main_part(package: GuardedZip, usual: str) -> str:
    """The name of the document's main part; ``usual`` where the package does not say.

    Raises:
        InvalidInput: code ``damaged-file``; there is none.
    """
    told = next((r.target for r in relations(package, "").values() if r.kind == "officeDocument"), usual)
    if told in package:
        return told
    if usual in package:
        return usual
    raise damaged(f"its main part {usual!r} is missing, so it is no document of this kind or was cut off")


def core_properties(package: GuardedZip) -> SelfDescription:
    """Title, author, date and language from docProps/core.xml; damage there does not matter."""
    name = next((r.target for r in relations(package, "").values() if r.kind == "core-properties"), "docProps/core.xml")
    if name not in package:
        return SelfDescription()
    try:
        return dublin_core(parse_xml(package.read(name), what=name))
    except InvalidInput:
        return SelfDescription()


def dublin_core(root: Element) -> SelfDescription:
    """The properties among the children of ``root``, by their Dublin Core names."""
    values: dict[str, str] = {}
    for node in root:
        values.setdefault(local_name(node), "".join(node.itertext()))
    return SelfDescription(
        clean_title(values.get("title")),
        clean_property(values.get("creator")),
        iso_date(values.get("created") or values.get("date") or values.get("modified")),
        language_code(values.get("language")),
    )
