from __future__ import annotations

import pytest

from services.errors import InvalidInput
from services.ingest.extract.epub import extract_epub
from services.ingest.values import BlockKind
from tests.unit.ingest.extract.office_samples import blocks_of, epub_of, read, zip_of

METADATA = (
    "<dc:title>Harbours</dc:title><dc:creator>Ada Quay</dc:creator><dc:language>en-GB</dc:language>"
    "<dc:date>2024-01-31</dc:date>"
)
CHAPTERS = {
    "one.xhtml": '<?xml version="1.0"?><html><head><title/></head><body><h1>Cranes</h1><p>They&#160;stand.</p>'
    "<ul><li>black</li></ul></body></html>",
    "two.xhtml": "<html><body><a id='x'/><p>Without a heading.</p></body></html>",
}
CONTENTS = (
    "<ncx><navMap><navPoint><navLabel><text>Ships &amp; boats</text></navLabel><content src='two.xhtml#top'/>"
    "</navPoint></navMap></ncx>"
)
CONTENTS_ITEM = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
BOOK = epub_of(CHAPTERS, METADATA, CONTENTS_ITEM, **{"OPS/toc.ncx": CONTENTS})


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_epub(body, lambda: None)
    return raised.value.code


def test_chapters_in_order_with_headings_of_their_own_or_from_the_contents() -> None:
    found = read(extract_epub, BOOK)
    assert found.text.replace("\xa0", " ") == "Cranes\n\nThey stand.\n\n- black\n\nShips & boats\n\nWithout a heading."
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Cranes"), (1, "Ships & boats")]
    assert blocks_of(found, BlockKind.LIST_ITEM) == ["- black"]
    assert (found.title, found.author, found.date, found.language) == ("Harbours", "Ada Quay", "2024-01-31", "en")


def test_the_page_of_contents_is_left_out_and_names_the_chapters() -> None:
    nav = "<html xmlns='http://www.w3.org/1999/xhtml'><body><nav><a href='two.xhtml'>Boats</a></nav></body></html>"
    items = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    found = read(extract_epub, epub_of({"two.xhtml": CHAPTERS["two.xhtml"]}, "", items, **{"OPS/nav.xhtml": nav}))
    assert found.text == "Boats\n\nWithout a heading."


def test_a_missing_chapter_becomes_a_warning() -> None:
    body = epub_of({**CHAPTERS, "three.xhtml": "<p>x</p>"}).replace(b"OPS/three.xhtml", b"OPS/third.xhtml")
    assert read(extract_epub, body).warnings == ("chapter 3 could not be read",)


def test_copy_protection_is_named_and_scrambled_fonts_do_not_matter() -> None:
    def encrypted(method: str, target: str) -> bytes:
        data = (
            f"<encryption><EncryptedData><EncryptionMethod Algorithm='{method}'/><CipherData>"
            f"<CipherReference URI='{target}'/></CipherData></EncryptedData></encryption>"
        )
        return epub_of(CHAPTERS, **{"META-INF/encryption.xml": data})

    assert code_of(encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OPS/one.xhtml")) == "encrypted"
    read(extract_epub, encrypted("http://www.idpf.org/2008/embedding", "OPS/font.otf"))


def test_entities_in_the_package_are_refused() -> None:
    opf = "<!DOCTYPE p [<!ENTITY a 'ha'>]><package>&a;</package>"
    assert code_of(zip_of({"book.opf": opf})) == "damaged-file"


def test_broken_ones_are_told() -> None:
    assert code_of(BOOK[:-40]) == "damaged-file"
    assert code_of(zip_of({"mimetype": "application/epub+zip"})) == "damaged-file"
    assert code_of(epub_of({})) == "no-text"
    assert code_of(epub_of({"one.xhtml": "<html><body><img/></body></html>"})) == "no-text"
    assert code_of(epub_of({"one.xhtml": " " * 30_000_000})) == "zip-bomb"
