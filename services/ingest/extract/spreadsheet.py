"""Spreadsheets: XLSX, XLS and ODS, each sheet under a heading with its name."""

from __future__ import annotations

from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.odf_package import CONTENT, odf_properties, open_odf
from services.ingest.extract.ods_rows import ods_sheets
from services.ingest.extract.ole_guard import refuse_circles
from services.ingest.extract.ooxml import core_properties, open_package, refuse_encrypted
from services.ingest.extract.properties import SelfDescription, finish
from services.ingest.extract.sheets import write_sheets
from services.ingest.extract.types import Tick
from services.ingest.extract.xls_rows import xls_sheets
from services.ingest.extract.xlsx_rows import xlsx_sheets
from services.ingest.values import Extracted

_ZIP = b"PK"


def extract_spreadsheet(body: bytes, tick: Tick) -> Extracted:
    """The text of a workbook as it was saved; formulas are not computed.

    Raises:
        InvalidInput: ``encrypted``, ``damaged-file``, ``zip-bomb`` or ``no-text``.
    """
    builder = TextBuilder()
    properties = SelfDescription()
    if not body.startswith(_ZIP):
        refuse_encrypted(body)
        refuse_circles(body)
        sheets = xls_sheets(body)
    elif CONTENT in (package := open_package(body)):
        package = open_odf(body)
        sheets, properties = ods_sheets(package, tick), odf_properties(package)
    else:
        sheets, properties = xlsx_sheets(package, tick), core_properties(package)
    warnings = write_sheets(builder, sheets, tick)
    return finish(builder, properties, what="the workbook", warnings=warnings)
