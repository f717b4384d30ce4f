from __future__ import annotations

import io
from datetime import date, datetime, time

import pytest
import xlsxwriter

from services.errors import InvalidInput
from services.ingest.extract import sheets
from services.ingest.extract.spreadsheet import extract_spreadsheet
from services.ingest.values import BlockKind, PageMark
from tests.unit.ingest.extract.office_samples import RELATIONS, blocks_of, odf_of, read, zip_of


def code_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        extract_spreadsheet(body, lambda: None)
    return raised.value.code


def xlsx_of(rows: str, shared: str = "") -> bytes:
    """A workbook by hand with one sheet; ``rows`` stands in sheetData."""
    links = f'<Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="sheet1.xml"/>'
    links += f'<Relationship Id="r2" Type="{RELATIONS}/sharedStrings" Target="strings.xml"/>'
    return zip_of(
        {
            "xl/workbook.xml": f'<workbook xmlns:r="{RELATIONS}"><sheets><sheet name="S" r:id="r1"/></sheets>'
            "</workbook>",
            "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>",
            "xl/strings.xml": f"<sst>{shared}</sst>",
            "xl/sheet1.xml": f"<worksheet><sheetData>{rows}</sheetData></worksheet>",
        }
    )


def workbook() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.set_properties({"title": "Stock", "author": "Ada Quay"})
        day, moment = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "d.m.yy hh:mm"})
        clock, share = book.add_format({"num_format": "[h]:mm"}), book.add_format({"num_format": "0.0%"})
        sheet = book.add_worksheet("Parts")
        sheet.write_row(2, 1, ["name", "count", "since", "seen", "at", "share", "ok"])
        sheet.write_row(3, 1, ["Bolt\nM4", 12, None, None, None, None, True])
        sheet.write_datetime(3, 3, date(2024, 1, 31), day)
        sheet.write_datetime(3, 4, datetime(2024, 1, 31, 8, 30), moment)
        sheet.write_datetime(3, 5, time(8, 30), clock)
        sheet.write_number(3, 6, 0.102, share)
        sheet.write_formula(4, 1, '=A1&"x"', None, "computed")
        sheet.write_number(4, 2, 0.1 + 0.2)
        sheet.write_number(4, 4, 45000.5)
        book.add_worksheet("Empty")
        book.add_worksheet("Other").write(0, 0, "alone")
    return file.getvalue()


def test_sheets_are_pages_and_rows_are_lines() -> None:
    found = read(extract_spreadsheet, workbook())
    assert found.text == (
        "Parts\n\nname | count | since | seen | at | share | ok\n"
        "Bolt M4 | 12 | 2024-01-31 | 2024-01-31T08:30:00 | 08:30:00 | 10.2% | TRUE\n"
        "computed | 0.3 |  | 45000.5\n\nOther\n\nalone"
    )
    assert found.pages == (PageMark(0, 1), PageMark(found.text.index("Other"), 3))
    assert [heading.text for heading in found.headings] == ["Parts", "Other"]
    assert (found.title, found.author) == ("Stock", "Ada Quay")


def test_a_long_sheet_repeats_its_header() -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("Long")
        sheet.write_row(0, 0, ["part", "tons"])
        for n in range(1, 201):
            sheet.write_row(n, 0, [f"part number {n}", n])
    found = read(extract_spreadsheet, file.getvalue())
    tables = blocks_of(found, BlockKind.TABLE)
    assert len(tables) > 3
    assert {table.split("\n")[0] for table in tables} == {"part | tons"}
    assert sum(table.count("part number") for table in tables) == 200
    assert max(map(len, tables)) < 900


def test_figures_are_no_header() -> None:
    found = read(extract_spreadsheet, xlsx_of("<row><c><v>1</v></c><c><v>2</v></c></row>" * 400))
    assert found.text.startswith("S\n\n1 | 2\n1 | 2")
    assert found.text.count("1 | 2") == 400


def test_a_cell_in_the_last_corner_costs_nothing() -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    assert len(read(extract_spreadsheet, xlsx_of(rows)).text) < 2000


def test_a_million_declared_rows_cost_nothing() -> None:
    rows = "".join(f'<row r="{n}"/>' for n in range(2**20 - 1)) + '<row><c t="str"><v>end</v></c></row>'
    assert read(extract_spreadsheet, xlsx_of(rows)).text == "S\n\nend"


def test_rows_beyond_the_limit_are_cut_off_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 10)
    found = read(extract_spreadsheet, xlsx_of("<row><c><v>1</v></c></row>" * 20))
    assert found.text.count("1") == 10
    assert found.warnings == ("sheet 'S' was cut off after 10 rows",)


def test_odd_cells() -> None:
    shared = "<si><t>plain</t></si><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>said</t></rPh></si>"
    rows = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>99</v></c><c t="e"><v>#REF!</v></c>'
        '<c t="inlineStr"><is><t>in</t></is></c><c><v>1e999</v></c><c><v>x</v></c><c t="b"><v>0</v></c><c s="7"/></row>'
    )
    assert read(extract_spreadsheet, xlsx_of(rows, shared)).text == "S\n\nplain | rich |  |  | in | inf | x | FALSE"


def test_ods() -> None:
    cell = '<table:table-cell office:value-type="{}" {}><text:p>{}</text:p></table:table-cell>'.format
    body = (
        '<table:table table:name="Parts"><table:table-row>'
        + cell("string", "", "name")
        + cell("string", "", "since")
        + '</table:table-row><table:table-row table:number-rows-repeated="1048576"><table:table-cell/>'
        + "</table:table-row>"
        + '<table:table-row table:number-rows-repeated="1000000">'
        + cell("string", "", "Bolt<text:s/>M4")
        + cell("date", 'office:date-value="2024-01-31T00:00:00"', "31.1.24")
        + '<table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>'
        + '<table:table table:name="Empty"><table:table-row><table:table-cell/></table:table-row></table:table>'
        + f'<table:table table:name="Last"><table:table-row>{cell("float", "", "7")}</table:table-row></table:table>'
    )
    found = read(extract_spreadsheet, odf_of(body, "spreadsheet", "<dc:title>Stock</dc:title>"))
    assert found.text == "Parts\n\nname | since\nBolt M4 | 2024-01-31\n\nLast\n\n7"
    assert [page.number for page in found.pages] == [1, 3]
    assert found.title == "Stock"


def test_a_repeated_cell_is_bounded() -> None:
    cell = '<table:table-cell table:number-columns-repeated="999999999"><text:p>x</text:p></table:table-cell>'
    body = f'<table:table table:name="T"><table:table-row>{cell * 50}</table:table-row></table:table>'
    assert len(read(extract_spreadsheet, odf_of(body, "spreadsheet")).text) < 2000


def test_entities_are_refused() -> None:
    bad = "<!DOCTYPE w [<!ENTITY a 'ha'>]><workbook>&a;</workbook>"
    assert code_of(zip_of({"xl/workbook.xml": bad})) == "damaged-file"


def test_broken_ones_are_told() -> None:
    body = workbook()
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert code_of(body[: len(body) // 2]) == "damaged-file"
    assert code_of(ole + b"\0" * 3000) == "damaged-file"
    assert code_of(b"") == "damaged-file"
    assert code_of(ole + "EncryptedPackage".encode("utf-16-le")) == "encrypted"
    assert code_of(xlsx_of("")) == "no-text"
    assert code_of(xlsx_of("<row>")) == "damaged-file"
