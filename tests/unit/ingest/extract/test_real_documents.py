"""Every real document of the evaluation set, seen by its content and read: a text, its parts, or the right reason."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

import pytest

from services.errors import InvalidInput
from services.ingest.extract.registry import extract
from services.ingest.kinds.sniff import sniff
from services.ingest.rows.tabular import NumberedRow, read_rows
from services.ingest.values import Extracted
from tests.evaldata import evaluation_folder

MAX_TEXT_BYTES = 20_000_000
# What each file says, found in its text; or the code it is refused with.
SAID = {
    "markitdown/test.pdf": "AutoGen",
    "markitdown/test.docx": "AutoGen",
    "markitdown/test.pptx": "AutoGen",
    "markitdown/test.xlsx": "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0",
    "markitdown/test.xls": "affc7dad-52dc-4b98-9b5d-51e65d8a8ad0",
    "markitdown/test.epub": "Test",
    "markitdown/test_outlook_msg.msg": "This is the body of the test email message",
    "markitdown/test_wikipedia.html": "Microsoft was founded by Bill Gates and Paul Allen on April 4, 1975",
    "markitdown/test_blog.html": "Large language models (LLMs) are powerful tools",
    "markitdown/test_serp.html": "Learn how Microsoft was founded by two childhood friends",
    "markitdown/test_notebook.ipynb": 'print("markitdown")',
    "markitdown/test.json": "5b64c88c-b3c3-4510-bcb8-da0b200602d8",
    "markitdown/equations.docx": "From Eq. 36.1.3",
    "markitdown/test_with_comment.docx": "AutoGen",
    "markitdown/SPARSE-2024-INV-1234_borderless_table.pdf": "INV-1234",
    "markitdown/REPAIR-2022-INV-001_multipage.pdf": "ZAVA AUTO REPAIR",
    "markitdown/expected/test.md": "AutoGen",
    "markitdown/expected/SPARSE-2024-INV-1234_borderless_table.md": "INV-1234",
    "markitdown/expected/REPAIR-2022-INV-001_multipage.md": "Gabriel Diaz",
    "markitdown/expected/LICENSE": "MIT License",
    "py-pdf/minimal-document.pdf": "Lorem ipsum",
    "py-pdf/README.md": "openpassword",
    "py-pdf/pdflatex-outline.pdf": "without a meaning",
    "py-pdf/pdflatex-forms.pdf": "Submit",
    "py-pdf/google-doc-document.pdf": "Beautiful is better than ugly",
    "py-pdf/habibi.pdf": "habibi",
    "py-pdf/imagemagick-images.pdf": "Background",  # the one word on its six pages of pictures
    "py-pdf/crazyones-pdfa.pdf": "crazy ones",
    "py-pdf/with-attachment.pdf": "Lorem ipsum",
    "py-pdf/multicolumn.pdf": "Lorem ipsum",
    "py-pdf/output_with_metadata_pymupdf.pdf": "Hello, World!",
    "py-pdf/GeoTopo-komprimiert.pdf": "Topologie",
    "py-pdf/LICENSE": "Creative Commons",
}
REFUSED = {
    "markitdown/random.bin": "unsupported-media-type",
    "markitdown/MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "no-text",
    "markitdown/expected/MEDRPT-2024-PAT-3847_medical_report_scan.md": "empty-file",
    "py-pdf/libreoffice-writer-password.pdf": "encrypted",
    "py-pdf/unreadablemetadata.pdf": "damaged-file",  # its two tables of cross references contradict each other
}
SOURCES = {
    "markitdown/test_mskanji.csv": 3,
    "markitdown/test_rss.xml": 10,
    "markitdown/test_files.zip": 7,
}


def body_of(name: str) -> bytes:
    return (evaluation_folder("documents") / name).read_bytes()


@cache
def read(name: str) -> Extracted:
    body = body_of(name)
    media_type, is_source = sniff(body, name)
    assert not is_source
    return extract(media_type, body, max_text_bytes=MAX_TEXT_BYTES)


def rows(name: str) -> list[NumberedRow]:
    body = body_of(name)
    media_type, is_source = sniff(io.BytesIO(body), name)
    assert is_source
    return list(read_rows(media_type, io.BytesIO(body)))


def test_every_file_is_spoken_for() -> None:
    folder = evaluation_folder("documents")
    lines = (folder / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split("\t")[0] for line in lines} == {*SAID, *REFUSED, *SOURCES}


@pytest.mark.parametrize("name", SAID)
def test_a_document_gives_its_text(name: str) -> None:
    found = read(name)
    assert SAID[name] in found.text
    assert found.text.strip()
    for heading in found.headings:
        assert found.text[heading.start : heading.end] == heading.text
    ends = [0, *(block.end for block in found.blocks)]
    assert all(start <= block.start < block.end for start, block in zip(ends, found.blocks, strict=False))
    assert ends[-1] <= len(found.text)
    starts = [page.start for page in found.pages]
    assert starts == sorted(starts)
    assert all(0 <= start < len(found.text) for start in starts)
    assert re.fullmatch(r"|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?", found.date)
    assert re.fullmatch(r"([a-z]{2})?", found.language)


@pytest.mark.parametrize("name", REFUSED)
def test_a_document_without_text_says_why(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(name)
    assert caught.value.code == REFUSED[name]
    assert len(caught.value.message) > 20


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_gives_its_parts(name: str) -> None:
    assert len(rows(name)) == SOURCES[name]


def test_a_table_in_japanese() -> None:
    found = rows("markitdown/test_mskanji.csv")
    assert [row.row.metadata["名前"] for row in found if row.row] == ["佐藤太郎", "三木英子", "髙橋淳"]
    assert found[0].warnings == ("the encoding was guessed: cp932",)


def test_a_feed() -> None:
    first = rows("markitdown/test_rss.xml")[0].row
    assert first is not None
    assert first.title == "Ignite 2024: Why nearly 70% of the Fortune 500 now use Microsoft 365 Copilot"
    assert first.url.startswith("https://blogs.microsoft.com/blog/2024/11/19/")
    assert first.metadata == {"date": "2024-11-19T13:30:02Z", "author": "Frank X. Shaw"}
    assert "Two things can be true at the same time." in first.text


def test_an_archive_of_documents() -> None:
    found = rows("markitdown/test_files.zip")
    assert [row.place for row in found if row.problem] == []
    for row in found:
        if row.file is not None:
            assert isinstance(row.file.body, bytes)
            media_type, is_source = sniff(row.file.body, row.file.name, media=True)
            assert not is_source
            assert extract(media_type, row.file.body, max_text_bytes=MAX_TEXT_BYTES).text.strip()


@pytest.mark.parametrize("name", [name for name in SAID if Path(name).suffix in (".docx", ".pdf", ".pptx", ".xlsx", ".xls", ".epub", ".msg", ".html", ".ipynb")])  # fmt: skip # noqa: E501
def test_the_type_is_seen_without_a_name(name: str) -> None:
    body = body_of(name)
    assert sniff(body, "upload") == sniff(body, name)
    assert sniff(body, "upload.txt", "application/octet-stream") == sniff(body, name)
