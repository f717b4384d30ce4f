from __future__ import annotations

import pytest

from services.errors import InvalidInput, UnsupportedMedia
from services.ingest.sniff import sniff
from services.ingest.tabular import CSV, JSON, NDJSON


@pytest.mark.parametrize(
    ("body", "name", "claimed", "media_type", "is_source"),
    [
        (b"hello", "a.txt", "", "text/plain", False),
        (b"hello", "a", "text/markdown; charset=utf-8", "text/markdown", False),
        (b"# hello", "README.MD", "application/octet-stream", "text/markdown", False),
        (b"Title\n=====\n", "a.rst", "", "text/x-rst", False),
        (b" <!DOCTYPE html><p>x", "a.txt", "text/plain", "text/html", False),
        (b"<!-- note -->\n<html><p>x", "page", "", "text/html", False),
        (b"<h1 align=center>x</h1>", "README.md", "", "text/markdown", False),
        (b"print('x')", "a.py", "text/x-python", "text/plain", False),
        (b'{"a": 1}', "a.json", "", JSON, False),
        (b' [{"a": 1}]', "a.json", "", JSON, True),
        (b'\xef\xbb\xbf[{"a": 1}]', "a.json", "", JSON, True),
        (b'{"a": 1}\n{"a": 2}\n', "a.json", "", NDJSON, True),
        (b'{"a": 1}\n', "corpus.jsonl", "", NDJSON, True),
        (b"a,b\n1,2\n", "a.csv", "", CSV, True),
        (b"a\tb\n1\t2\n", "a.tsv", "", CSV, True),
        (b"a,b\n1,2\n", "upload", "text/csv", CSV, True),
        ("h\u00e4llo".encode("utf-16"), "a.txt", "", "text/plain", False),
    ],
)
def test_content_then_name_then_claim(body: bytes, name: str, claimed: str, media_type: str, is_source: bool) -> None:
    assert sniff(body, name, claimed) == (media_type, is_source)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04" + b"x" * 50, "office document"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x01\x02\x03\x04" * 100, "binary"),
    ],
)
def test_what_is_not_read_is_named_by_its_content(body: bytes, what: str) -> None:
    with pytest.raises(UnsupportedMedia, match=what):
        sniff(body, "harmless", "text/plain")


@pytest.mark.parametrize("body", [b"", b" \n\t", b"\xef\xbb\xbf", b"\x00\x00"])
def test_an_empty_file_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        sniff(body, "a.txt")
    assert caught.value.code == "empty-file"
