"""What ODT, ODP and ODS have in common: a container, a content part and its properties."""

from __future__ import annotations

from io import BytesIO

from services.errors import InvalidInput
from services.ingest.extract.properties import SelfDescription, clean_property, clean_title, iso_date, language_code
from services.ingest.extract.safe_xml import local_name, parse_xml
from services.ingest.extract.zip_guard import GuardedZip, damaged, open_zip

CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_META = "meta.xml"


def open_odf(body: bytes) -> GuardedZip:
    """The container of an OpenDocument file.

    Raises:
        InvalidInput: see ``open_zip``; ``encrypted`` when it has a password, ``damaged-file`` without content.
    """
    package = open_zip(BytesIO(body))
    if _MANIFEST in package and b"encryption-data" in package.read(_MANIFEST):
        raise InvalidInput(
            "the document is encrypted: a password is needed to read it; save it without one and add it again",
            code="encrypted",
        )
    if CONTENT not in package:
        raise damaged(f"its part {CONTENT!r} is missing, so it is no document of this kind or was cut off")
    return package


def odf_properties(package: GuardedZip) -> SelfDescription:
    """Title, author, date and language from meta.xml; damage there does not matter."""
    if _META not in package:
        return SelfDescription()
    try:
        root = parse_xml(package.read(_META), what=_META)
    except InvalidInput:
        return SelfDescription()
    meta = next((node for node in root.iter("{*}meta") if node is not root), None)
    if meta is None:
        return SelfDescription()
    values: dict[str, str] = {}
    for node in meta:
        values.setdefault(local_name(node), "".join(node.itertext()))
    return SelfDescription(
        clean_title(values.get("title")),
        clean_property(values.get("initial-creator") or values.get("creator")),
        iso_date(values.get("creation-date") or values.get("date")),
        language_code(values.get("language")),
    )
