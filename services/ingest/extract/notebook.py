"""Jupyter notebooks: cells in their order, Markdown as Markdown, code as code, what the code printed below it."""

from __future__ import annotations

import json
from typing import Any

from services.errors import InvalidInput
from services.ingest.cleaning import clean_text
from services.ingest.extract.builder import TextBuilder
from services.ingest.extract.html import html_to_text
from services.ingest.extract.language import detect_language
from services.ingest.extract.markdown import extract_markdown
from services.ingest.extract.nested import append_extracted
from services.ingest.extract.properties import clean_property
from services.ingest.extract.types import Tick
from services.ingest.rows.strict_json import decode_json
from services.ingest.values import BlockKind, Extracted

MAX_OUTPUT_CHARS = 4_000
"""Of one cell: logs of a training run would drown what the notebook says."""

MAX_CELLS = 20_000


def extract_notebook(body: bytes, tick: Tick) -> Extracted:
    """The text of a notebook; its title is the first heading of level 1, or what its metadata say.

    Raises:
        InvalidInput: it is no JSON object with cells (code ``damaged-file``).
    """
    notebook = _parsed(body)
    cells = _cells(notebook)
    builder, cut = TextBuilder(), 0
    prose: list[str] = []
    for cell in cells[:MAX_CELLS]:
        tick()
        source = _text(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "markdown":
            append_extracted(builder, extract_markdown(_bytes(source), tick))
            prose.append(source)
        elif cell.get("cell_type") == "heading":  # version 3
            builder.add_heading(clean_text(source), _level(cell.get("level")))
        elif cell.get("cell_type") == "code":
            builder.add(clean_text(source), kind=BlockKind.CODE)
            cut += _add_outputs(builder, cell)
        else:
            builder.add(clean_text(source))
    metadata = _object(notebook.get("metadata"))
    title = next((heading.text for heading in builder.headings if heading.level == 1), "")
    return Extracted(
        builder.text(),
        title or clean_property(_text(metadata.get("title"))),
        tuple(builder.headings),
        tuple(_warnings(cut, len(cells))),
        blocks=tuple(builder.blocks),
        author=_authors(metadata.get("authors")),
        language=detect_language("\n".join(prose)),
    )


def _parsed(body: bytes) -> dict[str, Any]:
    """Read leniently: notebooks hold NaN and nest deeper in their outputs than documents of the API may."""
    try:
        value = json.loads(decode_json(body))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the notebook is no valid JSON: {str(error)[:200]}", code="damaged-file") from None
    if not isinstance(value, dict):
        raise InvalidInput("the notebook is no JSON object", code="damaged-file")
    return value


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells, which notebooks before version 4 keep in worksheets."""
    found = notebook.get("cells")
    if found is None and "worksheets" in notebook:
        found = [cell for sheet in _list(notebook["worksheets"]) for cell in _list(_object(sheet).get("cells"))]
    if not isinstance(found, list):
        raise InvalidInput("the notebook has no cells", code="damaged-file")
    return [cell for cell in found if isinstance(cell, dict)]


def _add_outputs(builder: TextBuilder, cell: dict[str, Any]) -> bool:
    """What the code printed or gave, without pictures and colours; whether some of it was cut off."""
    room = MAX_OUTPUT_CHARS
    for output in _list(cell.get("outputs")):
        if not isinstance(output, dict):
            continue
        text = _without_colours(_output_text(output)).strip("\n")
        builder.add(clean_text(text[:room]), kind=BlockKind.CODE)
        room -= len(text)
        if room < 0:
            return True
    return False


def _output_text(output: dict[str, Any]) -> str:
    if output.get("output_type") in ("error", "pyerr"):
        return f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}"
    data = output.get("data")
    if not isinstance(data, dict):
        return _text(output.get("text"))
    plain = _text(data.get("text/plain"))
    if "text/markdown" in data:
        return _text(data["text/markdown"])
    if "text/html" in data and not plain:
        return html_to_text(_text(data["text/html"]))
    return plain


def _without_colours(text: str) -> str:
    """Without the escape sequences of terminals: ESC [ ... letter."""
    parts = text.split("\x1b[")
    return parts[0] + "".join(part.lstrip("0123456789;?")[1:] for part in parts[1:])


def _authors(value: Any) -> str:
    names = [_text(item.get("name")) if isinstance(item, dict) else _text(item) for item in _list(value)[:20]]
    return clean_property(", ".join(name for name in names if name))


def _warnings(cut: int, cells: int) -> list[str]:
    found = []
    if cut:
        found.append(f"the output of {cut:,} cells was cut off after {MAX_OUTPUT_CHARS:,} characters")
    if cells > MAX_CELLS:
        found.append(f"only the first {MAX_CELLS:,} of {cells:,} cells were read")
    return found


def _text(value: Any) -> str:
    """Texts in notebooks are strings or lists of lines."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _level(value: Any) -> int:
    return min(max(value, 1), 6) if isinstance(value, int) else 1
