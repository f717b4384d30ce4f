"""Walks the documents of a collection and its keys on the index server, in small steps, and adds up what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from services.audit.judging import suspicions
from services.audit.values import Kind
from services.collections.values import Collection
from services.index.clearing import IndexClearing
from services.ledger import keys
from services.ledger.ledger import Ledger
from services.ledger.values import DocumentKind, DocumentState

SLICE = 250
KEYS_PER_STEP = 500
_KIND_OF_FAULT = {"lists": Kind.LISTS, "visible": Kind.LISTS, "nothing": Kind.LISTS, "stuck": Kind.STUCK}
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Walked:
    """What one walk saw. ``suspects`` maps a kind to document hashes, ``ids`` some hashes to their document's id."""

    documents: int = 0
    live: int = 0
    embedded: int = 0
    chunks_ledger: int = 0
    chunks_heads: int = 0
    chunks_keys: int = 0
    suspects: dict[Kind, set[str]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    references: Counter[str] = field(default_factory=Counter)
    strays: dict[str, set[tuple[int, int]]] = field(default_factory=dict)

    def suspect(self, kind: Kind, doc_hash: str) -> None:
        """Notes a suspicion."""
        self.suspects.setdefault(kind, set()).add(doc_hash)


class DocumentWalk:
    """Looks at documents; changes nothing."""

    def __init__(self, ledger: Ledger, clearing: IndexClearing) -> None:
        self._ledger = ledger
        self._clearing = clearing

    def hashes(self, collection_id: str, most: int = SLICE) -> Iterator[list[str]]:
        """All documents of a collection, deleted ones included, ``most`` at a time."""
        for key in (keys.all_documents(collection_id), keys.in_state(collection_id, DocumentState.DELETED)):
            start = "+inf"
            while True:
                rows = self._rows(key, start, most)
                if rows:
                    yield [doc_hash for doc_hash, _ in rows]
                if len(rows) < most:
                    break
                start = f"({rows[-1][1]}"

    def _rows(self, key: str, start: str, most: int) -> list[tuple[str, int]]:
        (rows,) = self._ledger.link.read(
            lambda pipe: pipe.zrevrangebyscore(key, start, "-inf", start=0, num=most, withscores=True)
        )
        return [(member.decode(), int(score)) for member, score in rows]

    def walk(self, collection: Collection, progress: Progress, total: int) -> Walked:
        """Everything about a collection's documents."""
        walked = Walked()
        for hashes in self.hashes(collection.id):
            self.examine(collection, hashes, walked)
            progress(collection.name, walked.documents, max(total, walked.documents))
        self._walk_keys(collection, walked)
        return walked

    def examine(self, collection: Collection, doc_hashes: Sequence[str], walked: Walked) -> None:
        """Looks at some documents and adds what it sees."""
        records = self._ledger.records(collection.id, doc_hashes)
        faults = self.faults(collection.id, doc_hashes)
        inspected = self._clearing.inspect(collection, doc_hashes)
        for doc_hash, record, found in zip(doc_hashes, records, inspected, strict=True):
            walked.documents += 1
            for kind in suspicions(record, found):
                walked.suspect(kind, doc_hash)
            if record is not None:
                walked.ids[doc_hash] = record.id
                for place in (record.envelope, record.visible_envelope):
                    if place:
                        walked.references[place.partition(":")[0]] += 1
                if record.visible_generation and record.kind is not DocumentKind.SOURCE:
                    walked.chunks_ledger += record.chunks
            if found is not None and found.live:
                walked.live += 1
                walked.embedded += found.there > 0
                walked.chunks_heads += found.chunks
                walked.chunks_keys += found.there
        for doc_hash, fault in faults:
            walked.suspect(_KIND_OF_FAULT[fault], doc_hash)

    def faults(self, collection_id: str, doc_hashes: Sequence[str], *, mend: bool = False) -> list[tuple[str, str]]:
        """What the ledger says twice and differently of documents; puts it right when asked to."""
        if not doc_hashes:
            return []
        flat = [text.decode() for text in self._ledger.link.run("mend", collection_id, int(mend), *doc_hashes)]
        return list(zip(flat[::2], flat[1::2], strict=True))

    def _walk_keys(self, collection: Collection, walked: Walked) -> None:
        """Finds documents that the ledger never heard of, and chunks that belong to nothing."""
        cursor, unknown = 0, set[str]()
        while True:
            found = self._clearing.scan(collection, cursor, KEYS_PER_STEP)
            cursor = found.cursor
            unknown |= set(self._unknown(collection, found.heads))
            self._note_strays(collection, found.chunks, walked)
            if cursor == 0:
                break
        for start in range(0, len(unknown), SLICE):
            self.examine(collection, sorted(unknown)[start : start + SLICE], walked)

    def _unknown(self, collection: Collection, heads: Sequence[str]) -> list[str]:
        records = self._ledger.records(collection.id, heads) if heads else []
        return [doc_hash for doc_hash, record in zip(heads, records, strict=True) if record is None]

    def _note_strays(self, collection: Collection, chunks: Sequence[tuple[str, int, int]], walked: Walked) -> None:
        by_document: dict[str, list[tuple[int, int]]] = {}
        for doc_hash, generation, ordinal in chunks:
            by_document.setdefault(doc_hash, []).append((generation, ordinal))
        for doc_hash, places in by_document.items():
            if self._clearing.strays(collection, doc_hash, places):
                lone = [place for place in places if self._clearing.strays(collection, doc_hash, [place])]
                walked.strays.setdefault(doc_hash, set()).update(lone)
