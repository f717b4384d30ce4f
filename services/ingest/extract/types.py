"""What every extractor is."""

from __future__ import annotations

from collections.abc import Callable

from services.ingest.values import Extracted

Tick = Callable[[], None]
"""Called by an extractor after each part of its work: a lease is kept while there is progress, and only then."""

Extractor = Callable[[bytes, Tick], Extracted]
"""Reads raw bytes; raises InvalidInput when they cannot be read."""


def words(text: str) -> frozenset[str]:
    """The words of ``text`` as a set: how extractors write down sets of names."""
    return frozenset(text.split())
