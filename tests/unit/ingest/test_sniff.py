from __future__ import annotations

import io
import json
from typing import BinaryIO

import pytest

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.kinds.sniff import PDF, RTF, sniff
from services.ingest.kinds.sniff_text import HTML, MAIL, NOTEBOOK, XML
from services.ingest.rows.tabular import ATOM, CSV, JSON, NDJSON, RSS

MAIL_BODY = (
    b"Received: from a\r\n by b\r\nFrom: Ann <ann@example.com>\r\nDate: Mon, 2 Jan 2023 10:00:00 +0000\r\n\r\nhi"
)
NOTEBOOK_BODY = json.dumps({"cells": [{"cell_type": "code", "source": "x" * 70_000}], "nbformat": 4}).encode()
RSS_1 = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><item/></rdf:RDF>'


@pytest.mark.parametrize(
    ("body", "name", "claimed", "media_type", "is_source"),
    [
        (b"hello", "a.txt", "", "text/plain", False),
        (b"hello", "a", "text/markdown; charset=utf-8", "text/markdown", False),
        (b"# hello", "README.MD", "application/octet-stream", "text/markdown", False),
        (b"Title\n=====\n", "a.rst", "", "text/x-rst", False),
        (b" <!DOCTYPE html><p>x", "a.txt", "text/plain", HTML, False),
        (b"<!-- note -->\n<html><p>x", "page", "", HTML, False),
        (b"<h1 align=center>x</h1>", "README.md", "", "text/markdown", False),
        (b"print('x')", "a.py", "text/x-python", "text/plain", False),
        (b'{"a": 1}', "a.json", "", JSON, False),
        (b' [{"a": 1}]', "a.json", "", JSON, True),
        (b'\xef\xbb\xbf[{"a": 1}]', "a.json", "", JSON, True),
        (b'{"a": 1}\n{"a": 2}\n', "a.json", "", NDJSON, True),
        (b'{"a": 1}\n', "corpus.jsonl", "", NDJSON, True),
        (b"a,b\n1,2\n", "a.csv", "", CSV, True),
        (b"a\tb\n1\t2\n", "a.tsv", "", CSV, True),
        (b"a\tb\n1\t2\n", "export.xls", "application/vnd.ms-excel", CSV, True),
        (b"a,b\n1,2\n", "upload", "text/csv", CSV, True),
        ("h\u00e4llo".encode("utf-16"), "a.txt", "", "text/plain", False),
        (b"%PDF-1.7\n", "harmless.txt", "text/plain", PDF, False),
        (b"junk\n%PDF-1.4\n", "a.pdf", "", PDF, False),
        (b"\x01\x02junk%PDF-1.4\n\x01\x02\x03\x04\x05\x06\x07\x08 %%EOF\n", "a", "", PDF, False),
        (b"Every PDF begins with %PDF-1.4 and ends with %%EOF\n", "notes.txt", "", "text/plain", False),
        (b"{\\rtf1 hello}", "a.doc", "", RTF, False),
        (b"plain words", "manual.doc", "application/msword", "text/plain", False),
        (b"float64 x\nfloat64 y\n", "Point.msg", "", "text/plain", False),
        (b"digraph { a -> b }", "graph.dot", "application/msword-template", "text/plain", False),
        (b"a,b\n1,2\n", "a.csv", "application/vnd.ms-excel", CSV, True),
        (b"let x = 1", "a.ts", "video/mp2t", "text/plain", False),
        (MAIL_BODY, "a.txt", "", MAIL, False),
        (b"From: a\nTo: b\n\nhi", "a.eml", "", MAIL, False),
        (b"From x@y Mon Jan 2 10:00:00 2023\nFrom: a\nTo: b\n\nhi", "a.eml", "", MAIL, False),
        (b"no header at all", "a.eml", "", "text/plain", False),
        (b"From: the committee\nTo: everybody\nSubject: x\n\nMinutes", "memo.txt", "", "text/plain", False),
        (b"Name: x\nDate: y\nlines that are no headers\n\n", "a.txt", "", "text/plain", False),
        (NOTEBOOK_BODY, "a.ipynb", "", NOTEBOOK, False),
        (NOTEBOOK_BODY, "a.json", "application/json", NOTEBOOK, False),
        (b'{"nbformat": "a word"}', "a.json", "", JSON, False),
        (b'<?xml version="1.0"?><!-- x --><note>hi</note>', "a", "", XML, False),
        (b'<?xml version="1.0"?><!DOCTYPE n [<!ENTITY a "b">]><n>hi</n>', "a.txt", "", XML, False),
        ('<?xml version="1.0"?><n>hi</n>'.encode("utf-16"), "a.xml", "", XML, False),
        (b"<note>hi</note>", "a.xml", "", XML, False),
        (b"not at all", "a.xml", "", "text/plain", False),
        (b'<?xml version="1.0"?><rss version="2.0"><channel/></rss>', "a.xml", "", RSS, True),
        (b"<rss><channel/></rss>", "feed", "", RSS, True),
        (RSS_1, "a.rdf", "", RSS, True),
        (b'<feed xmlns="http://www.w3.org/2005/Atom"></feed>', "a", "text/html", ATOM, True),
        (b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "a.xhtml", "", HTML, False),
    ],
)
def test_content_then_name_then_claim(body: bytes, name: str, claimed: str, media_type: str, is_source: bool) -> None:
    assert sniff(body, name, claimed) == (media_type, is_source)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"GIF89a=1/*", "GIF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\x00", "RAR"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\x00" * 257 + b"ustar\x00" + b"x" * 300, "tar"),
        (b"\x00\x00\x00\x18ftypmp42xx", "MP4"),
        (b"\x01\x02\x03\x04" * 100, "binary"),
    ],
)
def test_what_is_not_read_is_named_by_its_content(body: bytes, what: str) -> None:
    with pytest.raises(UnsupportedMedia, match=what):
        sniff(body, "harmless", "text/plain")


@pytest.mark.parametrize(
    ("body", "name", "claimed", "told"),
    [
        (b"%PDF-1.7\n", "photo.png", "", "its name ends in .png, which means an image, and its content is a PDF"),
        (b"%PDF-1.7\n", "report.docx", "", "means a text document, and its content is a PDF"),
        (b"plain words", "report.pdf", "", "means a PDF, and its content is text"),
        (b"plain words", "holiday.jpg", "", "means an image"),
        (b"<html><p>not found", "setup.exe", "", "means a program, and its content is an HTML page"),
        (b"plain words", "upload", "application/pdf", "it was sent as 'application/pdf', which means a PDF"),
        (b"plain words", "upload", "image/jpeg", "it was sent as 'image/jpeg'"),
        (b"{\\rtf1 x}", "table.xlsx", "", "means a spreadsheet, and its content is an RTF document"),
    ],
)
def test_a_name_that_promises_something_else_is_refused(body: bytes, name: str, claimed: str, told: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        sniff(body, name, claimed)
    assert told in caught.value.message


def test_words_that_only_begin_like_a_signature_are_text() -> None:
    for body in (b"RIFFLE shuffle", b"BZh is how bzip2 begins", b"GIF8 bits", b"ID3 tags are old", b"BM 5"):
        assert sniff(body, "a.txt").media_type == "text/plain"


@pytest.mark.parametrize("body", [b"", b" \n\t", b"\xef\xbb\xbf", b"\x00\x00", b" " * 200_000])
def test_an_empty_file_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        sniff(body, "a.txt")
    assert caught.value.code == "empty-file"


class CountingFile(io.BytesIO):
    """Counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


def test_a_large_file_is_only_looked_at() -> None:
    body = CountingFile(b"%PDF-1.7\n" + b"x" * 5_000_000)
    stream: BinaryIO = body
    assert sniff(stream, "a.pdf").media_type == PDF
    assert body.taken < 300_000
    assert body.tell() == 0
