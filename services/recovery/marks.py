"""What a ledger knew that no envelope says: which documents had failed or were cancelled. One JSON object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from services.ids import hash_document_id
from services.ledger.ledger import Ledger
from services.ledger.values import DocumentState

PAGE = 500
_COLLECTION = re.compile(r"[a-z0-9]{4,40}")
_HASH = re.compile(r"[0-9a-f]{32}")
_STATES = (DocumentState.FAILED.value, DocumentState.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class Mark:
    """The end that one generation of a document had come to.

    ``visible`` is the generation that the index showed meanwhile, 0 for none.
    """

    collection_id: str
    doc_hash: str
    generation: int
    state: str
    code: str
    reason: str
    visible: int


Marks = Mapping[tuple[str, str], Mark]
"""Marks by collection id and document hash."""


def marks_of(ledger: Ledger, collection_id: str) -> Iterator[Mark]:
    """The failed and the cancelled documents of a collection as they are now."""
    for state in (DocumentState.FAILED, DocumentState.CANCELLED):
        cursor = ""
        while True:
            page = ledger.documents(collection_id, cursor=cursor, limit=PAGE, state=state)
            for record in page.items:
                yield Mark(
                    collection_id=collection_id,
                    doc_hash=hash_document_id(record.id),
                    generation=record.wanted_generation,
                    state=state.value,
                    code=record.error_code,
                    reason=record.error,
                    visible=record.visible_generation,
                )
            cursor = page.next_cursor
            if not cursor:
                break


def encode_marks(marks: Iterable[Mark]) -> bytes:
    """Marks as lines."""
    return "".join(json.dumps(asdict(mark), ensure_ascii=False) + "\n" for mark in marks).encode("utf-8")


def decode_marks(data: bytes) -> dict[tuple[str, str], Mark]:
    """Marks from lines.

    Raises:
        ValueError: a line that is none.
    """
    marks: dict[tuple[str, str], Mark] = {}
    for line in data.split(b"\n"):  # not splitlines(): a reason may hold U+2028
        if line:
            mark = _mark(line)
            marks[(mark.collection_id, mark.doc_hash)] = mark
    return marks


def _mark(line: bytes) -> Mark:
    try:
        mark = Mark(**json.loads(line))
        words = (mark.collection_id, mark.doc_hash, mark.state, mark.code, mark.reason)
        right = (
            all(isinstance(word, str) and word.encode("utf-8") is not None for word in words)
            and all(type(number) is int and 0 <= number < 1 << 53 for number in (mark.generation, mark.visible))
            and _COLLECTION.fullmatch(mark.collection_id) is not None
            and _HASH.fullmatch(mark.doc_hash) is not None
            and mark.state in _STATES
        )
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"not a mark: {line[:80]!r}") from error
    if not right:
        raise ValueError(f"not a mark: {line[:80]!r}")
    return mark
