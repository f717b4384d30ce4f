"""Whatever a file holds, an extractor gives a text or says in plain words why there is none."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.ingest.extract.docx import extract_docx
from services.ingest.extract.epub import extract_epub
from services.ingest.extract.opendocument import extract_opendocument
from services.ingest.extract.pdf import extract_pdf
from services.ingest.extract.pptx import extract_pptx
from services.ingest.extract.rtf import extract_rtf
from services.ingest.extract.spreadsheet import extract_spreadsheet
from services.ingest.extract.types import Extractor
from tests.unit.ingest.extract.office_samples import docx_of, lines_of, odf_of, paragraph, pdf_of, read
from tests.unit.ingest.extract.test_extract_epub import BOOK
from tests.unit.ingest.extract.test_extract_pptx import DECK
from tests.unit.ingest.extract.test_extract_rtf import DOCUMENT
from tests.unit.ingest.extract.test_extract_spreadsheet import workbook

CODES = {"read", "damaged-file", "no-text", "encrypted", "zip-bomb"}
STYLES = '<w:styles xmlns:w="w"><w:style w:styleId="h"><w:name w:val="heading 1"/></w:style></w:styles>'
SAMPLES: dict[str, tuple[Extractor, bytes]] = {
    "docx": (extract_docx, docx_of(paragraph("Cranes", '<w:pStyle w:val="h"/>') + paragraph("Tall."), styles=STYLES)),
    "pptx": (extract_pptx, DECK),
    "xlsx": (extract_spreadsheet, workbook()),
    "ods": (
        extract_spreadsheet,
        odf_of("<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell>"
               "</table:table-row></table:table>", "spreadsheet"),
    ),
    "odt": (extract_opendocument, odf_of("<text:h>Cranes</text:h><text:list><text:list-item/></text:list>")),
    "epub": (extract_epub, BOOK),
    "rtf": (extract_rtf, DOCUMENT),
    "pdf": (extract_pdf, pdf_of([lines_of(["Some words."]), lines_of(["More words."])], marks=[("Some", 0)])),
}  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6
)


def outcome(extractor: Extractor, body: bytes) -> str:
    try:
        read(extractor, body)
    except InvalidInput as error:
        return error.code
    return "read"


def changed(body: bytes, changes: list[tuple[float, bytes]]) -> bytes:
    result = bytearray(body)
    for share, data in changes:
        at = int(share * len(body))
        result[at : at + len(data)] = data
    return bytes(result)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40, deadline=None)
@given(changes=CHANGES)
def test_damaged_bytes(name: str, changes: list[tuple[float, bytes]]) -> None:
    extractor, body = SAMPLES[name]
    assert outcome(extractor, changed(body, changes)) in CODES


@pytest.mark.parametrize("name", [name for name, (_, body) in SAMPLES.items() if body.startswith(b"PK")])
@settings(max_examples=40, deadline=None)
@given(which=st.integers(0, 10_000), changes=CHANGES)
def test_damage_inside_a_container(name: str, which: int, changes: list[tuple[float, bytes]]) -> None:
    """The checksums of a container let no damaged XML through, so this damages it before it is packed."""
    extractor, body = SAMPLES[name]
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(file, "w") as new:
        parts = [member for member in old.namelist() if member.endswith((".xml", ".rels", ".opf", ".ncx", ".xhtml"))]
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, changed(content, changes) if member == parts[which % len(parts)] else content)
    assert outcome(extractor, file.getvalue()) in CODES


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("share", [0, 0.01, 0.4, 0.8, 0.99])
def test_a_file_that_was_cut_off(name: str, share: float) -> None:
    extractor, body = SAMPLES[name]
    allowed = {"read", "no-text", "damaged-file"} if name in ("rtf", "pdf") else {"damaged-file"}
    assert outcome(extractor, body[: int(len(body) * share)]) in allowed
