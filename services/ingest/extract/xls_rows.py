"""XLS (Excel 97 to 2003) by calamine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum

from services.errors import InvalidInput
from services.ingest.extract.sheets import MAX_COLUMNS, Cell, Row, Sheet, shown

_PANIC = "PanicException"


def xls_sheets(body: bytes) -> Iterator[Sheet]:
    """The worksheets of a workbook in its order, hidden ones too.

    Raises:
        InvalidInput: ``encrypted`` or ``damaged-file``; also while the sheets are read.
    """
    with _library_errors():
        workbook = CalamineWorkbook.from_filelike(BytesIO(body))
        for number, kind in enumerate(workbook.sheets_metadata, 1):
            if kind.typ == SheetTypeEnum.WorkSheet:
                yield Sheet(number, kind.name, _rows(workbook.get_sheet_by_index(number - 1)))


def _rows(sheet: CalamineSheet) -> Iterator[Row]:
    with _library_errors():
        for values in sheet.iter_rows():
            cells = (Cell(column, *shown(value)) for column, value in enumerate(values[:MAX_COLUMNS]))
            row = [cell for cell in cells if cell.text]
            if row:
                yield row


@contextmanager
def _library_errors() -> Iterator[None]:
    try:
        yield
    except PasswordError as error:
        raise InvalidInput(
            "the workbook is encrypted: a password is needed to read it; save it without one and add it again",
            code="encrypted",
        ) from error
    except (CalamineError, ValueError, OSError, LookupError) as error:
        raise _damaged(error) from error
    except BaseException as error:
        # A bug in the reader shows as a Rust panic, which derives from BaseException and is in no module to import.
        if type(error).__name__ != _PANIC:
            raise
        raise _damaged(error) from error


def _damaged(error: BaseException) -> InvalidInput:
    return InvalidInput(
        f"the workbook is damaged and cannot be read ({str(error)[:200] or type(error).__name__})", code="damaged-file"
    )
