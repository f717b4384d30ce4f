"""What a ledger knew that no envelope says: which documents had failed or were cancelled. One JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from services.ids import hash_document_id
from services.ledger.ledger import Ledger
from services.ledger.values import DocumentState

PAGE = 500


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
    for line in data.decode("utf-8").splitlines():
        try:
            mark = Mark(**json.loads(line))
        except TypeError as error:
            raise ValueError(f"not a mark: {line[:80]}") from error
        marks[(mark.collection_id, mark.doc_hash)] = mark
    return marks
