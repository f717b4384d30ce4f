"""Plain text stands as it is."""

from __future__ import annotations

from services.ingest.cleaning import clean_text
from services.ingest.decode import decode
from services.ingest.extract.types import Tick
from services.ingest.values import Extracted


def extract_plain(body: bytes, tick: Tick) -> Extracted:
    """Decodes and cleans; nothing is interpreted."""
    decoded = decode(body)
    tick()
    return Extracted(clean_text(decoded.text), warnings=decoded.warnings)
