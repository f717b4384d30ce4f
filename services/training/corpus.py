"""What a model learns from: the texts of a collection's documents, in a file that can be gone over again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from services.audit.documents import DocumentWalk
from services.errors import InvalidInput, NearfieldError, NotFound, Unavailable
from services.index.clearing import IndexClearing
from services.ledger.ledger import Ledger
from services.ledger.values import DocumentKind, DocumentRecord
from services.redis_clients import Client

MOST_BYTES = 2 * 1024**3
_FEW = 3


class Reader(Protocol):
    """Where a document's text is to be had."""

    def text(self, record: DocumentRecord) -> str:
        """The text that a document is found by."""


def write_corpus(
    ledger: Ledger, index_client: Client, reader: Reader, collection_id: str, path: Path, told: Callable[[int], None]
) -> int:
    """Writes the text of every searchable document as a line of JSON; returns how many there are.

    A document that cannot be read is passed over.

    Args:
        told: called after each document with the number so far.

    Raises:
        InvalidInput: code "bad-training", there is nothing to learn from, or more than fits.
        Unavailable: the ledger does not answer.
    """
    count = size = 0
    walk = DocumentWalk(ledger, IndexClearing(index_client))
    with path.open("w", encoding="utf-8") as file:
        for hashes in walk.hashes(collection_id):
            for record in ledger.records(collection_id, hashes):
                text = _text(reader, record)
                if not text.strip():
                    continue
                size += file.write(json.dumps(text, ensure_ascii=True) + "\n")
                count += 1
                told(count)
                if size > MOST_BYTES:
                    raise InvalidInput(
                        f"the collection's texts are more than {MOST_BYTES >> 30} GiB, the most that a model "
                        "is trained on; train it on a smaller collection",
                        code="bad-training",
                    )
    if count < _FEW:
        raise InvalidInput(
            f"the collection has {count} searchable documents with a text, and a model needs at least {_FEW}; add "
            "documents, wait until they are searchable, and train again",
            code="bad-training",
        )
    return count


def _text(reader: Reader, record: DocumentRecord | None) -> str:
    if record is None or record.kind in (DocumentKind.SOURCE, DocumentKind.DELETE) or not record.visible_generation:
        return ""
    try:
        return reader.text(record)
    except Unavailable:
        raise
    except (NotFound, NearfieldError):
        return ""


class Corpus:
    """The texts of such a file; can be gone over any number of times.

    Args:
        told: called with the number of texts read so far, all passes together.
    """

    def __init__(self, path: Path, told: Callable[[int], None]) -> None:
        self._path = path
        self._told = told
        self._read = 0

    def __iter__(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                self._read += 1
                self._told(self._read)
                yield json.loads(line)
