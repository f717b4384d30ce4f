"""A file with one JSON object is one document."""

from __future__ import annotations

from services.ingest.cleaning import clean_text
from services.ingest.extract.types import Tick
from services.ingest.rows.row import row_from_object
from services.ingest.rows.strict_json import parse_json_bytes
from services.ingest.values import Extracted


def extract_json_object(body: bytes, tick: Tick) -> Extracted:
    """The object's text by the rules for rows (``services/ingest/rows/row.py``)."""
    row = row_from_object(parse_json_bytes(body))
    tick()
    return Extracted(clean_text(row.text), clean_text(row.title))
