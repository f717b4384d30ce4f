from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.opendocument import extract_opendocument
from services.ingest.values import BlockKind, PageMark
from tests.unit.ingest.extract.office_samples import blocks_of, odf_of, read, zip_of

META = (
    "<dc:title>Harbours</dc:title><meta:initial-creator>Ada Quay</meta:initial-creator><dc:creator>Bob</dc:creator>"
    "<meta:creation-date>2024-01-03T09:38:26.5</meta:creation-date><dc:language>de-AT</dc:language>"
)


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_opendocument(body, lambda: None)
    return raised.value.code


def test_a_text_in_its_order() -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        "<text:table-of-content><text:index-body><text:p>Cranes 7</text:p></text:index-body></text:table-of-content>"
        '<text:h text:outline-level="2">Cranes</text:h>'
        '<text:p>They<text:s text:c="2"/>stand<text:tab/><text:span>over</text:span> water'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Since 1890.</text:p>"
        "</text:note-body></text:note>.<office:annotation><text:p>hm</text:p></office:annotation></text:p>"
        "<text:list><text:list-item><text:p>black</text:p><text:list><text:list-item><text:p>very</text:p>"
        "</text:list-item></text:list></text:list-item><text:list-item><text:p>tall</text:p></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>name</text:p></table:table-cell>"
        "<table:table-cell><text:p>tons</text:p></table:table-cell></table:table-row></table:table-header-rows>"
        "<table:table-row><table:table-cell><text:p>Big</text:p><text:p>Tom</text:p></table:table-cell>"
        "<table:table-cell><text:p>40</text:p></table:table-cell></table:table-row></table:table>"
        "<text:section><text:p>End.</text:p></text:section>"
    )
    found = read(extract_opendocument, odf_of(body, meta=META))
    assert found.text == (
        "Cranes\n\nThey  stand\tover water (Since 1890.).\n\n- black\n  - very\n- tall\n\n"
        "name | tons\nBig Tom | 40\n\nEnd."
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(2, "Cranes")]
    assert blocks_of(found, BlockKind.TABLE) == ["name | tons\nBig Tom | 40"]
    assert len(blocks_of(found, BlockKind.LIST_ITEM)) == 3
    assert (found.title, found.author, found.date, found.language) == ("Harbours", "Ada Quay", "2024-01-03", "de")


def test_slides_are_pages() -> None:
    page = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>{}</text:p></draw:text-box>'
        "</draw:frame><draw:frame><draw:text-box><text:list><text:list-item><text:p>{}</text:p></text:list-item></text:list>"
        "</draw:text-box></draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box>"
        "</draw:frame></presentation:notes></draw:page>"
    ).format
    found = read(
        extract_opendocument, odf_of(page("Cranes", "tall", "Slowly.") + page("Ships", "far", ""), "presentation")
    )
    assert found.text == "Cranes\n\n- tall\n\nNotes: Slowly.\n\nShips\n\n- far"
    assert found.pages == (PageMark(0, 1), PageMark(found.text.index("Ships"), 2))
    assert [heading.text for heading in found.headings] == ["Cranes", "Ships"]


def test_a_password_is_named() -> None:
    manifest = "<manifest:manifest><manifest:encryption-data/></manifest:manifest>"
    assert code_of(odf_of("<text:p>x</text:p>", **{"META-INF/manifest.xml": manifest})) == "encrypted"


def test_entities_are_refused() -> None:
    assert code_of(zip_of({"content.xml": "<!DOCTYPE x [<!ENTITY a 'ha'>]><x>&a;</x>"})) == "damaged-file"


def test_broken_ones_are_told() -> None:
    body = odf_of("<text:p>text</text:p>")
    assert code_of(body[:-40]) == "damaged-file"
    assert code_of(zip_of({"other.xml": "x"})) == "damaged-file"
    assert code_of(zip_of({"content.xml": "<office"})) == "damaged-file"
    assert code_of(odf_of("")) == "no-text"
    assert code_of(zip_of({"content.xml": b" " * 30_000_000})) == "zip-bomb"
