from __future__ import annotations

import io

import docx
import pytest

from services.errors import InvalidInput
from services.ingest.extract.docx import extract_docx
from services.ingest.values import BlockKind
from tests.unit.ingest.extract.office_samples import W, blocks_of, docx_of, paragraph, read, zip_of

M = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def saved(document: docx.document.Document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_docx(body, lambda: None)
    return raised.value.code


def test_a_document_in_its_order() -> None:
    document = docx.Document()
    document.core_properties.title = "Harbours"
    document.core_properties.author = "Ada Quay"
    document.core_properties.language = "en-GB"
    document.add_heading("Cranes", 1)
    document.add_paragraph("They stand over the water.")
    document.add_paragraph("black", style="List Bullet")
    document.add_paragraph("tall", style="List Number")
    table = document.add_table(2, 2)
    for n, word in enumerate(["name", "tons", "Big Tom", "40"]):
        table.cell(n // 2, n % 2).text = word
    document.add_heading("Ships", 2)
    document.add_paragraph("They come and go.")
    found = read(extract_docx, saved(document))
    assert found.text == (
        "Cranes\n\nThey stand over the water.\n\n- black\n- tall\n\nname | tons\nBig Tom | 40\n\n"
        "Ships\n\nThey come and go."
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Cranes"), (2, "Ships")]
    assert blocks_of(found, BlockKind.LIST_ITEM) == ["- black", "- tall"]
    assert blocks_of(found, BlockKind.TABLE) == ["name | tons\nBig Tom | 40"]
    assert (found.title, found.author, found.language) == ("Harbours", "Ada Quay", "en")


def test_the_title_in_the_text_stands_in_for_the_property() -> None:
    document = docx.Document()
    document.core_properties.title = ""
    document.add_heading("All Harbours", 0)
    document.add_paragraph("Text.")
    assert read(extract_docx, saved(document)).title == "All Harbours"


def test_notes_and_comments_follow_their_paragraph() -> None:
    notes = f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2">{paragraph("Since 1890.")}</w:footnote></w:footnotes>'
    comments = f'<w:comments xmlns:w="{W}"><w:comment w:id="2">{paragraph("Really?")}</w:comment></w:comments>'
    body = (
        '<w:p><w:r><w:t>Old cranes</w:t><w:footnoteReference w:id="2"/><w:commentReference w:id="2"/></w:r></w:p>'
        + paragraph("More.")
    )
    found = read(extract_docx, docx_of(body, footnotes=notes, comments=comments))
    assert found.text == "Old cranes\nNote: Since 1890.\nComment: Really?\n\nMore."


def test_deleted_text_fields_and_fallbacks_are_left_out() -> None:
    body = (
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
        "<w:r><w:instrText> PAGE </w:instrText></w:r><w:r><w:tab/><w:t>word</w:t><w:br/><w:t>line</w:t></w:r>"
        '<mc:AlternateContent xmlns:mc="m"><mc:Choice><w:r><w:t>!</w:t></w:r></mc:Choice>'
        "<mc:Fallback><w:r><w:t>twice</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>"
    )
    assert read(extract_docx, docx_of(body)).text == "new\tword\nline!"


def test_content_controls_and_nested_tables() -> None:
    cell = "<w:tc>{}</w:tc>".format
    inner = f"<w:tbl><w:tr>{cell(paragraph('x'))}{cell(paragraph('y'))}</w:tr></w:tbl>"
    body = (
        f"<w:sdt><w:sdtContent>{paragraph('inside a control')}</w:sdtContent></w:sdt>"
        f"<w:tbl><w:tr>{cell(paragraph('a') + inner)}{cell(paragraph('b'))}</w:tr></w:tbl>"
    )
    assert read(extract_docx, docx_of(body)).text == "inside a control\n\na x y | b"


def test_code_stays_together_and_a_table_of_contents_is_left_out() -> None:
    styles = (
        f'<w:styles xmlns:w="{W}"><w:style w:styleId="c"><w:name w:val="HTML Preformatted"/></w:style>'
        '<w:style w:styleId="t"><w:name w:val="toc 1"/></w:style>'
        '<w:style w:styleId="u"><w:name w:val="Meine"/><w:basedOn w:val="h"/></w:style>'
        '<w:style w:styleId="h"><w:name w:val="heading 2"/></w:style></w:styles>'
    )
    body = (
        paragraph("Cranes 7", '<w:pStyle w:val="t"/>')
        + paragraph("Kräne", '<w:pStyle w:val="u"/>')
        + paragraph("def f():", '<w:pStyle w:val="c"/>')
        + paragraph("    return 1", '<w:pStyle w:val="c"/>')
        + paragraph("End.")
    )
    found = read(extract_docx, docx_of(body, styles=styles))
    assert found.text == "Kräne\n\ndef f():\n    return 1\n\nEnd."
    assert blocks_of(found, BlockKind.CODE) == ["def f():\n    return 1"]
    assert [(heading.level, heading.text) for heading in found.headings] == [(2, "Kräne")]


def test_equations_are_text() -> None:
    run = "<m:r><m:t>{}</m:t></m:r>".format
    fraction = f"<m:f><m:num>{run('a+b')}</m:num><m:den>{run('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{run('x')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>"
    body = f'<w:p xmlns:m="{M}"><w:r><w:t>So </w:t></w:r><m:oMath>{power}{run("=")}{fraction}</m:oMath></w:p>'
    assert read(extract_docx, docx_of(body)).text == "So x^2=(a+b)/2"


def test_nine_hundred_pages_flow_through() -> None:
    words = paragraph("Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod. " * 4)
    numbered = "".join(words.replace("Lorem", f"{n} {n * 7919 % 100_003} Lorem") for n in range(900 * 8))
    ticks: list[int] = []
    found = extract_docx(docx_of(numbered), lambda: ticks.append(1))
    assert found.text.count("\n\n") == 900 * 8 - 1
    assert len(ticks) > 30


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;'>]>",
        "<!DOCTYPE d [<!ENTITY c SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE d [<!ENTITY % p SYSTEM 'http://127.0.0.1:9/x'> %p;]>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(doctype: str, encoding: str) -> None:
    xml = f'{doctype}<w:document xmlns:w="{W}"><w:body>{paragraph("&c;")}</w:body></w:document>'
    assert code_of(zip_of({"word/document.xml": xml.encode(encoding)})) == "damaged-file"


def test_nothing_is_fetched_for_a_document_type() -> None:
    body = f"<w:body>{paragraph('x')}</w:body>"
    xml = f'<!DOCTYPE d SYSTEM "file:///nowhere.dtd"><w:document xmlns:w="{W}">{body}</w:document>'
    assert read(extract_docx, zip_of({"word/document.xml": xml})).text == "x"


def test_a_bomb_is_refused() -> None:
    assert code_of(zip_of({"word/document.xml": b" " * 30_000_000})) == "zip-bomb"


def test_damaged_ones_are_told() -> None:
    body = docx_of(paragraph("text") * 500)
    assert code_of(body[:-40]) == "damaged-file"
    assert code_of(b"") == "damaged-file"
    assert code_of(zip_of({"other.xml": "<x/>"})) == "damaged-file"
    assert (
        code_of(zip_of({"word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{paragraph("x")}'})) == "damaged-file"
    )
    assert code_of(zip_of({"word/document.xml": b""})) == "damaged-file"


def test_nesting_beyond_reason_is_told() -> None:
    assert code_of(docx_of("<w:p>" * 3000 + "</w:p>" * 3000)) == "damaged-file"


def test_broken_styles_and_properties_do_not_matter() -> None:
    body = docx_of(paragraph("Still here.", '<w:pStyle w:val="x"/>'), styles="<w:styles", footnotes="<<<")
    assert read(extract_docx, body).text == "Still here."


def test_a_password_is_named() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
    assert code_of(ole) == "encrypted"


def test_a_document_of_pictures_has_no_text() -> None:
    assert code_of(docx_of("<w:p><w:r><w:drawing/></w:r></w:p>")) == "no-text"
