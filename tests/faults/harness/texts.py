"""The documents of the fault suite: each has a word of its own to be found by, and a text that tells its version."""

from __future__ import annotations

import hashlib
from typing import Any

GROUPS = ("red", "green", "blue")
FIELDS = {"group": "tag", "own": "tag"}
_WORDS = {0: 6, 1: 3, 2: 600, 3: 9}
"""Words by version modulo 4: a document changes its number of chunks with nearly every version."""
LONG, HUGE = 50, 100
"""From HUGE on a version is so long that the index is written slice by slice and then flipped; from LONG on that is so
where chunks are cut at 16 tokens."""
_LONG_WORDS, _HUGE_WORDS = 1000, 14_000


def name(number: int) -> str:
    return f"doc/{number}"


def number_of(document_id: str) -> int:
    return int(document_id.rpartition("/")[2])


def subject(number: int) -> str:
    """The word that no other document has; no common trigrams, or the hash model would find its neighbours."""
    return "s" + hashlib.sha256(str(number).encode()).hexdigest()[:11]


def group(number: int) -> str:
    return GROUPS[number % len(GROUPS)]


def text(number: int, version: int) -> str:
    words = _HUGE_WORDS if version >= HUGE else _LONG_WORDS if version >= LONG else _WORDS[version % 4]
    return " ".join((subject(number), f"version{version}", f"at{place}")[place % 3] for place in range(words))


def document(number: int, version: int) -> dict[str, Any]:
    """As a client posts it."""
    return {
        "id": name(number),
        "title": f"Document {number}",
        "text": text(number, version),
        "metadata": {"group": group(number), "own": subject(number)},
    }
