"""Real office files: text of PDFs against a reference, and a look at each of the other formats."""

from __future__ import annotations

import re
from bisect import bisect_left
from pathlib import Path

import pytest

from services.errors import InvalidInput
from services.ingest.extract.docx import extract_docx
from services.ingest.extract.epub import extract_epub
from services.ingest.extract.pdf import extract_pdf
from services.ingest.extract.pptx import extract_pptx
from services.ingest.extract.spreadsheet import extract_spreadsheet
from services.ingest.extract.types import Extractor
from tests.evaldata import evaluation_folder
from tests.unit.ingest.extract.office_samples import read

# The random identifiers that the makers of these files hid in every corner of them.
HIDDEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def documents() -> Path:
    return evaluation_folder("documents")


def words(text: str) -> list[str]:
    """The words of ``text``, put together where a hyphen ends a line; Markdown's table syntax is not words."""
    return re.findall(r"\w+", re.sub(r"-\n\s*", "", text).replace("|", " "))


def in_order(reference: list[str], found: list[str]) -> int:
    """The length of the longest common subsequence (Hunt and Szymanski)."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(found):
        places.setdefault(word, []).append(place)
    ends: list[int] = []
    for word in reference:
        for place in reversed(places.get(word, [])):
            at = bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return len(ends)


def code_of(extractor: Extractor, path: Path) -> str:
    with pytest.raises(InvalidInput) as raised:
        extractor(path.read_bytes(), lambda: None)
    return raised.value.code


def test_the_measure_itself() -> None:
    assert in_order(list("abcd"), list("axbdc")) == 3
    assert in_order(["a", "b"], []) == 0


@pytest.mark.parametrize("name", ["test", "SPARSE-2024-INV-1234_borderless_table", "REPAIR-2022-INV-001_multipage"])
def test_text_of_a_pdf_covers_its_reference_in_order(documents: Path, name: str) -> None:
    folder = documents / "markitdown"
    reference = words((folder / "expected" / f"{name}.md").read_text(encoding="utf-8"))
    found = words(read(extract_pdf, (folder / f"{name}.pdf").read_bytes()).text)
    assert in_order(reference, found) >= 0.95 * len(reference)


def test_a_scan_has_no_text(documents: Path) -> None:
    assert code_of(extract_pdf, documents / "markitdown/MEDRPT-2024-PAT-3847_medical_report_scan.pdf") == "no-text"


@pytest.mark.parametrize(
    ("name", "code"), [("libreoffice-writer-password", "encrypted"), ("unreadablemetadata", "damaged-file")]
)
def test_pdfs_that_cannot_be_read_say_why(documents: Path, name: str, code: str) -> None:
    assert code_of(extract_pdf, documents / "py-pdf" / f"{name}.pdf") == code


@pytest.mark.parametrize(
    ("name", "pages", "title", "words_in_it"),
    [
        ("GeoTopo-komprimiert", 117, "Geometrie und Topologie", "gut strukturierten Tafelanschrieb"),
        ("crazyones-pdfa", 1, "The Crazy Ones", "they have no respect for the status quo"),
        ("google-doc-document", 1, "PDF Example Document", "Beautiful is better than ugly."),
        ("multicolumn", 3, "Two-Column Document with Lorem Ipsum", "consectetuer adipiscing elit"),
        ("pdflatex-outline", 4, "", "Baz"),
        ("minimal-document", 1, "", "no sea takimata sanctus est"),
        ("with-attachment", 1, "", "no sea takimata sanctus est"),
        ("habibi", 1, "habibi", "habibi"),
        ("output_with_metadata_pymupdf", 1, "", "Hello, World!"),
        ("pdflatex-forms", 1, "", "Submit"),
        ("imagemagick-images", 4, "imagemagick-images", "Background"),
    ],
)
def test_pdfs(documents: Path, name: str, pages: int, title: str, words_in_it: str) -> None:
    found = read(extract_pdf, (documents / "py-pdf" / f"{name}.pdf").read_bytes())
    assert (len(found.pages), found.title) == (pages, title)
    assert words_in_it in " ".join(found.text.split())


def test_an_outline_becomes_headings(documents: Path) -> None:
    found = read(extract_pdf, (documents / "py-pdf/GeoTopo-komprimiert.pdf").read_bytes())
    assert [(h.level, h.text) for h in found.headings[:3]] == [
        (1, "1 Topologische Grundbegriffe"),
        (2, "1.1 Topologische Räume"),
        (2, "1.2 Metrische Räume"),
    ]
    assert (found.author, found.date) == ("Martin Thoma", "2016-12-31T18:43:23+01:00")


@pytest.mark.parametrize(
    ("name", "extractor", "hidden", "words_in_it"),
    [
        ("test.docx", extract_docx, 3, "agents are customizable, conversable"),
        ("test_with_comment.docx", extract_docx, 3, "Comment: This is a test comment. 12df-321a"),
        ("equations.docx", extract_docx, 0, "a/λ=m/"),
        ("test.pptx", extract_pptx, 5, "This is a nested shape"),
        ("test.xlsx", extract_spreadsheet, 2, "Alpha | Beta | Gamma | Delta"),
        ("test.xls", extract_spreadsheet, 2, "Alpha | Beta | Gamma | Delta"),
        ("test.epub", extract_epub, 0, "This is a blockquote for testing."),
    ],
)
def test_other_formats(documents: Path, name: str, extractor: Extractor, hidden: int, words_in_it: str) -> None:
    found = read(extractor, (documents / "markitdown" / name).read_bytes())
    assert words_in_it in found.text
    assert len(set(HIDDEN.findall(found.text))) >= hidden


@pytest.mark.parametrize(
    ("name", "extractor"),
    [
        ("test.docx", extract_docx),
        ("test.pptx", extract_pptx),
        ("test.xlsx", extract_spreadsheet),
        ("test.xls", extract_spreadsheet),
        ("test.epub", extract_epub),
        ("test.pdf", extract_pdf),
    ],
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_file_that_was_cut_off_is_told(documents: Path, name: str, extractor: Extractor, share: float) -> None:
    body = (documents / "markitdown" / name).read_bytes()
    body = body[: int(len(body) * share)]
    try:
        assert read(extractor, body).text  # a PDF or an XLS may be repaired
    except InvalidInput as error:
        assert error.code in ("damaged-file", "no-text")  # noqa: PT017
