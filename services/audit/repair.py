"""Heals what an audit has found, each thing by a step that is safe to repeat and changes nothing that has moved on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.audit.audit import Instance
from services.audit.documents import DocumentWalk
from services.audit.values import Finding, Kind
from services.collections.values import Collection
from services.ledger import keys
from services.ledger.comparing import Comparer
from services.ledger.values import DocumentRecord

REASONS = {
    Kind.ENVELOPE_MISSING: (
        "envelope-missing",
        "The stored original of this document is gone. What the index holds of it can still be found. Add it again.",
    ),
    Kind.ENVELOPE_DAMAGED: (
        "envelope-damaged",
        "The stored original of this document is damaged. What the index holds of it can still be found. Add it again.",
    ),
}


class Repair:
    """Repairs findings; how often something was done is answered, 0 meaning that it had passed or cannot be helped."""

    def __init__(self, instance: Instance, collections: Sequence[Collection]) -> None:
        self._at = instance
        self._collections: Mapping[str, Collection] = {collection.id: collection for collection in collections}
        self._walk = DocumentWalk(instance.ledger, instance.clearing)
        self._comparer = Comparer(instance.ledger, instance.index)

    def heal(self, finding: Finding) -> int:
        """Repairs one finding.

        Raises:
            Unavailable: a server does not answer; what was done stays done.
        """
        if finding.collection_id:
            return self._of_collection(finding, self._collections[finding.collection_id])
        match finding.kind:
            case Kind.REFERENCES:
                return sum(self._rerefer(*member.rsplit(":", 2)) for member in finding.members)
            case Kind.NOT_DESCRIBED:
                return self._describe(finding.members)
            case Kind.NOBODYS_TEXTS:
                return sum(self._remove_texts(self._at.extracted / name) for name in finding.members)
            case _:
                return 0

    def _of_collection(self, finding: Finding, collection: Collection) -> int:
        by_document: dict[Kind, Callable[[Collection, str], bool]] = {
            Kind.CHUNKS_MISSING: self._make_again,
            Kind.CHUNKS_UNSOUND: self._make_again,
            Kind.UNKNOWN: self._remove_unknown,
            Kind.HALF_STAGED: self._unstage,
            Kind.LEFT_OVER: self._sweep,
        }
        match finding.kind:
            case Kind.NOT_INDEXED | Kind.GIVEN_UP:
                compared = self._comparer.compare(collection, finding.members)
                return compared.requeued + compared.adopted
            case Kind.LISTS | Kind.STUCK:
                return len(self._walk.faults(collection.id, finding.members, mend=True))
            case Kind.STRAYS:
                return sum(self._remove_stray(collection, *member.split(":")) for member in finding.members)
            case Kind.INDEX_ABSENT:
                return self._remake_index(collection)
            case Kind.ENGINE_COUNT:
                self._at.index.drop(collection)
                return self._remake_index(collection)
            case Kind.LEDGER_CHUNKS:
                said, right = finding.members
                return int(self._at.ledger.link.run("recount", "chunks", collection.id, said, right))
            case Kind.INDEX_COUNTERS:
                return self._recount(collection, finding.members[1])
            case Kind.ENVELOPE_MISSING | Kind.ENVELOPE_DAMAGED:
                return sum(self._forfeit(collection, doc_hash, finding.kind) for doc_hash in finding.members)
            case _:
                heal = by_document.get(finding.kind)
                return 0 if heal is None else sum(heal(collection, doc_hash) for doc_hash in finding.members)

    def _record(self, collection: Collection, doc_hash: str) -> DocumentRecord | None:
        return self._at.ledger.records(collection.id, [doc_hash])[0]

    def _make_again(self, collection: Collection, doc_hash: str) -> bool:
        """Takes a document out of the index and has it indexed again."""
        self._at.clearing.erase(collection, doc_hash)
        return self._comparer.compare(collection, [doc_hash]).requeued > 0

    def _remove_unknown(self, collection: Collection, doc_hash: str) -> bool:
        return self._record(collection, doc_hash) is None and self._at.clearing.erase(collection, doc_hash)

    def _unstage(self, collection: Collection, doc_hash: str) -> bool:
        (found,) = self._at.clearing.inspect(collection, [doc_hash])
        if found is None or found.staged is None:
            return False
        return self._at.clearing.drop_staged(collection, doc_hash, found.staged)

    def _sweep(self, collection: Collection, doc_hash: str) -> bool:
        self._at.clearing.sweep(collection, doc_hash)
        return True

    def _remove_stray(self, collection: Collection, doc_hash: str, generation: str, ordinal: str) -> int:
        return self._at.clearing.strays(collection, doc_hash, [(int(generation), int(ordinal))], remove=True)

    def _remake_index(self, collection: Collection) -> int:
        """Makes the search index and marks it as still reading; the keeper takes the mark away."""
        link = self._at.ledger.link
        link.attempt(lambda: link.client.hset(keys.collection(collection.id), "scanning", 1))
        self._at.index.create(collection)
        return 1

    def _recount(self, collection: Collection, right: str) -> int:
        _, _, sequence = self._at.clearing.counters(collection)
        documents, chunks = right.split("/")
        return int(self._at.clearing.set_counters(collection, int(documents), int(chunks), sequence=sequence))

    def _forfeit(self, collection: Collection, doc_hash: str, kind: Kind) -> int:
        record = self._record(collection, doc_hash)
        if record is None:
            return 0
        arguments = (collection.id, doc_hash, record.wanted_generation, *REASONS[kind])
        return int(self._at.ledger.link.run("forfeit", *arguments))

    def _rerefer(self, name: str, said: str, right: str) -> int:
        return int(self._at.ledger.link.run("recount", "env", name, said, right))

    def _describe(self, collection_ids: Sequence[str]) -> int:
        for collection_id in collection_ids:
            self._at.descriptions.keep(self._collections[collection_id])
        return len(collection_ids)

    def _remove_texts(self, folder: Path) -> int:
        shutil.rmtree(folder, ignore_errors=True)
        return int(not folder.exists())
