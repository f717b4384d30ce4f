"""One small file of every format that is read, made here; and what mutates it: seeded, and deep where it is zipped."""

from __future__ import annotations

import io
import json
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

import docx
import pptx

from services.errors import InvalidInput
from services.ingest.kinds.sniff import sniff

_OPEN = "application/vnd.oasis.opendocument."
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MOST_BYTES = 400_000  # of a real document; time goes into many files, not into few large ones
_NASTY = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"<", b"&#0;", b"{", b'"', b"]]>", b"\x80\x80")


@dataclass(frozen=True, slots=True)
class Sample:
    """A file. ``is_source``: it holds many documents."""

    name: str
    media_type: str
    is_source: bool
    body: bytes


def built() -> list[Sample]:
    """Samples made here."""
    plain = {
        "text/plain": b"Plain words.\n\nAnd more of them, \xe4 one that is no UTF-8.\n",
        "text/markdown": b"# Head\n\nText with `code`, [a link](http://e.o).\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n",
        "text/x-rst": b"Head\n====\n\nText::\n\n    code\n\n.. note:: seen\n\n* one\n* two\n",
        "text/html": _HTML,
        "application/json": b'{"title": "One", "text": "words", "tags": ["a", {"b": null}], "n": 1e5}',
        "application/pdf": _pdf(),
        "application/rtf": rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}\f0 Words {\b bold} \'e4 \u228?\par More\par}",
        "application/xml": b"<?xml version='1.0'?><root a='1'><p>Words</p><p>More &amp; more</p><!-- c --></root>",
        "application/x-ipynb+json": _notebook(),
        "message/rfc822": _MAIL,
        f"{_OFFICE}wordprocessingml.document": _docx(),
        f"{_OFFICE}presentationml.presentation": _pptx(),
        f"{_OFFICE}spreadsheetml.sheet": _zip(_XLSX),
        f"{_OPEN}text": _zip(_odf("text", "<office:text><text:h>Head</text:h><text:p>Words</text:p></office:text>")),
        f"{_OPEN}spreadsheet": _zip(_odf("spreadsheet", _ODS)),
        f"{_OPEN}presentation": _zip(_odf("presentation", _ODP)),
        "application/epub+zip": _zip(_EPUB),
    }  # fmt: skip
    sources = {
        "text/csv": b'title,text,n\nOne,first words,1\nTwo,"second, quoted",2\n',
        "application/x-ndjson": b'{"text": "one"}\n{"id": "b", "text": "two"}\n\nnull\n',
        "application/json": b'[{"text": "one"}, "two", 3]',
        "application/zip": _zip({"a.txt": "words", "b/c.html": _HTML.decode(), "d.csv": "title\nx\n"}),
        "application/rss+xml": _RSS,
        "application/atom+xml": _ATOM,
    }
    plain |= _media()
    made = [Sample(f"built-{place}", kind, False, body) for place, (kind, body) in enumerate(plain.items())]
    return made + [
        Sample(f"built-rows-{place}", kind, True, body) for place, (kind, body) in enumerate(sources.items())
    ]


def _media() -> dict[str, bytes]:
    """A picture and a sound in each of their formats."""
    import numpy as np
    import soundfile
    from PIL import Image

    def picture(form: str) -> bytes:
        file = io.BytesIO()
        steps = np.arange(40 * 30 * 3, dtype=np.uint32).reshape(30, 40, 3)
        Image.fromarray((steps * 7 % 256).astype(np.uint8)).save(file, form)
        return file.getvalue()

    def sound(form: str) -> bytes:
        file = io.BytesIO()
        soundfile.write(file, np.sin(np.arange(4000) / 9.0), 16_000, format=form)
        return file.getvalue()

    pictures = {f"image/{form.lower()}": picture(form) for form in ("PNG", "JPEG", "WEBP", "GIF")}
    sounds = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mpeg": "MP3"}
    return pictures | {f"audio/{name}": sound(form) for name, form in sounds.items()}


def real(folder: Path) -> list[Sample]:
    """The documents below ``folder`` that are small enough and are taken for something that is read."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        body = path.read_bytes()
        try:
            media_type, is_source = sniff(body, path.name, media=True)
        except InvalidInput:
            continue
        found.append(Sample(path.name, media_type, is_source, body))
    return found


def mutated(sample: Sample, others: list[Sample], chance: random.Random) -> bytes:
    """The sample with 1 to 12 things wrong with it; half of the zipped ones are broken inside instead."""
    if sample.body.startswith(b"PK") and chance.random() < 0.5:
        inside = _mutated_inside(sample.body, others, chance)
        if inside is not None:
            return inside
    return _mutated_bytes(sample.body, others, chance)


def _mutated_bytes(body: bytes, others: list[Sample], chance: random.Random) -> bytes:
    broken = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 12))):
        at = chance.randrange(len(broken) + 1)
        length = min(chance.choice((1, 2, 8, 64, 512, 4096)), len(broken))
        match chance.randrange(7):
            case 0 if at < len(broken):
                broken[at] ^= 1 << chance.randrange(8)
            case 1:
                broken[at : at + length] = chance.randbytes(length)
            case 2:
                del broken[at : at + length]
            case 3:
                broken[at:at] = broken[at : at + length] * chance.choice((1, 2, 50))
            case 4:
                broken[at:at] = chance.choice(_NASTY) * chance.choice((1, 1, 1000))
            case 5 if chance.random() < 0.3:
                del broken[at:]
            case 6:
                other = chance.choice(others).body
                start = chance.randrange(len(other) + 1)
                broken[at:at] = other[start : start + length]
            case _:
                pass
    return bytes(broken)


def _mutated_inside(body: bytes, others: list[Sample], chance: random.Random) -> bytes | None:
    """A member broken and packed again, so that the parsers behind the archive see it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, RuntimeError):
        return None
    name = chance.choice(sorted(members))
    if chance.random() < 0.1:
        del members[name]
    else:
        members[name] = _mutated_bytes(members[name], others, chance)
    return _zip(members)


def _zip(members: dict[str, str] | dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member, zipfile.ZIP_STORED if name == "mimetype" else None)
    return packed.getvalue()


def _docx() -> bytes:
    document = docx.Document()
    document.add_heading("Head", 1)
    document.add_paragraph("Words of a paragraph.")
    document.add_table(2, 2).cell(0, 0).text = "cell"
    return _saved(document)


def _pptx() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Head"
    slide.placeholders[1].text = "Words of a slide"
    return _saved(show)


def _saved(document: object) -> bytes:
    packed = io.BytesIO()
    document.save(packed)  # type: ignore[attr-defined]
    return packed.getvalue()


def _pdf() -> bytes:
    """One page with a line of text, with a table of objects that is right."""
    text = b"BT /F1 12 Tf 72 700 Td (Words of a page) Tj ET"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n"
    return body + head + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def _notebook() -> bytes:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Head\n", "Words"]},
        {"cell_type": "code", "metadata": {}, "source": "print(1)", "outputs": [], "execution_count": 1},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def _odf(kind: str, body: str) -> dict[str, str]:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    content = f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>"
    return {"mimetype": f"{_OPEN}{kind}", "content.xml": content}


_HTML = (
    b"<!doctype html><html lang=en><title>Head</title><main><h1>Head</h1><p>Words &amp; more</p>"
    b"<table><tr><td>a<td>b</table><pre>code</pre></main></html>"
)
_ODP = "<office:presentation><text:p>Words</text:p></office:presentation>"
_ODS = (
    '<office:spreadsheet><table:table table:name="S"><table:table-row><table:table-cell office:value-type="string">'
    "<text:p>Words</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet>"
)
_MAIL = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?q?H=C3=A9ad?=\r\nDate: Mon, 6 May 2024 10:00:00 "
    b"+0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
    b"Content-Type: text/plain\r\n\r\nWords\r\n--x\r\nContent-Type: text/html\r\n"
    b"Content-Disposition: attachment; filename=a.html\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nPHA+d29yZHM8L3A+\r\n--x--\r\n"
)
_RSS = (
    b"<?xml version='1.0'?><rss version='2.0'><channel><title>F</title><item><title>One</title><link>http://e.org/1"
    b"</link><description>Words &lt;b&gt;bold&lt;/b&gt;</description></item></channel></rss>"
)
_ATOM = (
    b"<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><title>F</title><entry><id>1</id><title>One</title>"
    b"<content type='html'>&lt;p&gt;Words&lt;/p&gt;</content></entry></feed>"
)
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_XLSX = {
    "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
    f'PartName="/xl/workbook.xml" ContentType="{_OFFICE}spreadsheetml.sheet.main+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="r1" Type="{_REL}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_REL}"><sheets><sheet name="S" sheetId="1" r:id="r1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELS}"><Relationship Id="r1" Type="{_REL}/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEET}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>'
    'Words</t></is></c><c r="B1"><v>1.5</v></c></row></sheetData></worksheet>',
}
_EPUB = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
    '<rootfiles><rootfile full-path="b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
    "b.opf": '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Head</dc:title></metadata><manifest><item id="c" '
    'href="c.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>',
    "c.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Head</h1><p>Words</p></body></html>',
}
