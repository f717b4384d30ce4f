"""Small office files made in the test that needs them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from services.ingest.extract.types import Extractor
from services.ingest.values import BlockKind, Extracted

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
    'xmlns:presentation="urn:oasis:names:tc:opendocument:xmlns:presentation:1.0" '
    'xmlns:meta="urn:oasis:names:tc:opendocument:xmlns:meta:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

Text = tuple[float, float, float, str]
"""x, y, letter size and the words, in points from the lower left corner."""


def read(extractor: Extractor, body: bytes) -> Extracted:
    """What an extractor makes of ``body``; checks what holds for all of them."""
    found = extractor(body, lambda: None)
    for heading in found.headings:
        assert " ".join(found.text[heading.start : heading.end].split()) == heading.text
    starts = [block.start for block in found.blocks]
    assert starts == sorted(starts)
    assert all(0 <= block.start < block.end <= len(found.text) for block in found.blocks)
    assert [page.start for page in found.pages] == sorted(page.start for page in found.pages)
    return found


def blocks_of(found: Extracted, kind: BlockKind) -> list[str]:
    return [found.text[block.start : block.end] for block in found.blocks if block.kind is kind]


def zip_of(members: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def docx_of(body: str, **parts: str) -> bytes:
    """A DOCX by hand: ``body`` is what stands in w:body; ``parts`` are word/NAME.xml by the name of their relation."""
    links = "".join(f'<Relationship Id="r{name}" Type="{RELATIONS}/{name}" Target="{name}.xml"/>' for name in parts)
    return zip_of(
        {
            "_rels/.rels": f'<Relationships><Relationship Id="r1" Type="{RELATIONS}/officeDocument" '
            'Target="word/document.xml"/></Relationships>',
            "word/_rels/document.xml.rels": f"<Relationships>{links}</Relationships>",
            "word/document.xml": f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>',
            **{f"word/{name}.xml": content for name, content in parts.items()},
        }
    )


def paragraph(text: str, settings: str = "") -> str:
    return f"<w:p><w:pPr>{settings}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def odf_of(body: str, kind: str = "text", meta: str = "", **members: str) -> bytes:
    """An OpenDocument file: ``body`` is what stands in office:text (spreadsheet, presentation)."""
    return zip_of(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"<office:document-content {OFFICE}><office:body><office:{kind}>{body}</office:{kind}>"
            "</office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {OFFICE}><office:meta>{meta}</office:meta></office:document-meta>",
            **members,
        }
    )


def epub_of(chapters: Mapping[str, str], metadata: str = "", items: str = "", **members: str) -> bytes:
    manifest = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    return zip_of(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OPS/book.opf"/></container>',
            "OPS/book.opf": f'<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>{metadata}</metadata>'
            f"<manifest>{manifest}{items}</manifest><spine>{spine}</spine></package>",
            **{f"OPS/{name}": content for name, content in chapters.items()},
            **members,
        }
    )


def pdf_of(
    pages: list[list[Text]], info: Mapping[str, str] | None = None, marks: Sequence[tuple[str, int]] = ()
) -> bytes:
    """A PDF with text in Helvetica; ``marks`` are bookmarks as (title, page from 0)."""
    objects: list[str] = []

    def add(content: str) -> int:
        objects.append(content)
        return len(objects)

    catalog, tree, outlines = add(""), add(""), add("")
    font = add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>")
    kids = []
    for texts in pages:
        stream = "".join(f"BT /F {size} Tf {x} {y} Td ({words}) Tj ET\n" for x, y, size, words in texts)
        content = add(f"<</Length {len(stream)}>>stream\n{stream}endstream")
        kids.append(
            add(
                f"<</Type/Page/Parent {tree} 0 R/MediaBox[0 0 612 792]/Contents {content} 0 R"
                f"/Resources<</Font<</F {font} 0 R>>>>>>"
            )
        )
    first = len(objects) + 1
    for n, (title, page) in enumerate(marks):
        following = f"/Next {first + n + 1} 0 R" if n + 1 < len(marks) else ""
        add(f"<</Title({title})/Parent {outlines} 0 R/Dest[{kids[page]} 0 R/XYZ 0 792 0]{following}>>")
    entries = "".join(f"/{key}({value})" for key, value in (info or {}).items())
    information = add(f"<<{entries}>>")
    objects[tree - 1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(f'{kid} 0 R' for kid in kids)}]>>"
    objects[outlines - 1] = f"<</First {first} 0 R/Last {first + len(marks) - 1} 0 R/Count {len(marks)}>>"
    objects[catalog - 1] = (
        f"<</Type/Catalog/Pages {tree} 0 R{f'/Outlines {outlines} 0 R' if marks else ''}/Lang(de-AT)>>"
    )
    out, places = "%PDF-1.4\n", []
    for number, written in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj{written}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer<</Size {len(objects) + 1}/Root {catalog} 0 R/Info {information} 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    return f"{out}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode("latin-1")


def lines_of(texts: list[str], *, top: float = 700, x: float = 72, size: float = 10, pitch: float = 12) -> list[Text]:
    return [(x, top - n * pitch, size, text) for n, text in enumerate(texts)]
