"""Takes documents in hand: counts the attempt, then deletes, expands, copies or reads, whichever it takes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from services.collections.values import Collection
from services.errors import InvalidInput
from services.index.values import DocumentHead, Outcome, WriteOutcome
from services.ingest.expansion import Expander
from services.ingest.extracted_store import ExtractedStore
from services.ingest.lease import Lease
from services.ingest.model import CollectionModel
from services.ingest.parts import Parts
from services.ingest.reading import read_document, shown_title
from services.ingest.settling import Settlement
from services.ingest.shelf import Shelf
from services.ingest.work import Work, key_of, make_head
from services.ledger.values import ClaimedDocument, DocumentKind, LeaseLost, NewDocument

log = logging.getLogger(__name__)

_EXPANDED = WriteOutcome(Outcome.WRITTEN, sequence=0, chunks=0)


@dataclass(slots=True)
class Taker:
    """Turns claimed documents into work, or settles them on the way.

    Args:
        parts: the services.
        collection: in the index version that the claim names.
        lease: that holds the documents.
        settlement: where they end.
        model: gives the chunker.
        extracted: where texts of files are kept.
        shelf: where unfinished documents of earlier slices are.
        is_over: whether the slice has lasted long enough.
    """

    parts: Parts
    collection: Collection
    lease: Lease
    settlement: Settlement
    model: CollectionModel
    extracted: ExtractedStore
    shelf: Shelf
    is_over: Callable[[], bool]
    _attempts: dict[str, int] = field(default_factory=dict)
    _heads: dict[str, DocumentHead] = field(default_factory=dict)

    def look_up(self) -> None:
        """In one round trip each: the attempts of documents that are harmless to open, the heads of known ones."""
        documents = self.lease.claim.documents
        harmless = [claimed for claimed in documents if claimed.kind in (DocumentKind.TEXT, DocumentKind.DELETE)]
        if len(harmless) > 1:
            attempts = self.parts.ledger.begin_all(harmless, self.lease.token)
            self._attempts = {claimed.doc_hash: n for claimed, n in zip(harmless, attempts, strict=True)}
        known = [claimed.doc_hash for claimed in documents if claimed.visible_generation or claimed.attempts]
        if known:
            heads = self.parts.index.heads(self.collection, known)
            self._heads = {key: head for key, head in zip(known, heads, strict=True) if head is not None and head.live}

    def take(self, claimed: ClaimedDocument) -> Work | None:
        """Reads and cuts a document; None when it is settled, or comes back in a later slice.

        Raises:
            NearfieldError: the document cannot be processed.
        """
        attempt = self._begin(claimed)
        if not attempt:
            self.settlement.drop(claimed)
            return None
        shelved = self.shelf.take(key_of(claimed))
        if shelved is not None:
            return replace(shelved, claimed=claimed, attempt=attempt)
        if claimed.kind is DocumentKind.DELETE:
            self._delete(claimed, attempt)
            return None
        document = self.parts.envelopes.read(claimed.envelope).document
        self.lease.progress()
        if claimed.kind is DocumentKind.SOURCE:
            self._expand(claimed, document, attempt)
            return None
        if claimed.children and not self._expander().remove_gone(claimed, self.lease):
            return None
        if self._copy(claimed, document, attempt):
            return None
        return self._read(claimed, document, attempt)

    def old_text(self, claimed: ClaimedDocument, text_hash: str = "") -> str:
        """The hash of the text that is visible now, if it is another than ``text_hash``; "" for none."""
        old = self._heads.get(claimed.doc_hash)
        return old.text_hash if old is not None and old.text_hash != text_hash else ""

    def _begin(self, claimed: ClaimedDocument) -> int:
        if claimed.doc_hash in self._attempts:
            return self._attempts[claimed.doc_hash]
        try:
            return self.parts.ledger.begin(claimed, self.lease.token)
        except LeaseLost as lost:
            log.info("%s", lost.message)
            return 0

    def _delete(self, claimed: ClaimedDocument, attempt: int) -> None:
        if claimed.children and not self._expander().remove_gone(claimed, self.lease):
            return
        outcome = self.parts.index.delete(self.collection, claimed.doc_hash, claimed.generation, attempt)
        self.settlement.written(claimed, attempt, replace(outcome, chunks=0), old_text=self.old_text(claimed))

    def _expand(self, claimed: ClaimedDocument, source: NewDocument, attempt: int) -> None:
        if not self._expander().expand(claimed, source, self.lease):
            return
        if claimed.visible_generation:  # what was one document is now a source
            self.parts.index.delete(self.collection, claimed.doc_hash, claimed.generation, attempt)
        title = source.title or source.source.rpartition("/")[2]
        self.settlement.written(claimed, attempt, _EXPANDED, title=title, old_text=self.old_text(claimed))

    def _copy(self, claimed: ClaimedDocument, document: NewDocument, attempt: int) -> bool:
        """Keeps the vectors where only what is not embedded has changed; True when that was done."""
        old = self._heads.get(claimed.doc_hash)
        if old is None or old.text_hash != document.text_hash:
            return False
        own_title = "" if old.title == old.source.rpartition("/")[2] else old.title
        title = shown_title(document, own_title)
        outcome = self.parts.index.copy_metadata(self.collection, make_head(claimed, document, attempt, title))
        if outcome.outcome is Outcome.MISSING:
            return False
        self.settlement.written(claimed, attempt, outcome, title=title)
        return True

    def _read(self, claimed: ClaimedDocument, document: NewDocument, attempt: int) -> Work:
        limit = self.parts.settings.max_document_bytes
        extracted = read_document(document, max_text_bytes=limit, tick=self.lease.progress)
        title = document.title or extracted.title
        pieces = self.model.chunker().cut(extracted, title, self.lease.progress)
        if not pieces:
            raise InvalidInput(
                "no text was found in this document, so nothing can be searched in it; give it a text or a title",
                code="no-text",
            )
        if document.kind is DocumentKind.FILE or document.media_type != "text/plain":
            self.extracted.keep(claimed.collection_id, document.text_hash, extracted.text)
        return Work(claimed, document, attempt, shown_title(document, extracted.title), extracted.warnings, pieces)

    def _expander(self) -> Expander:
        parts = self.parts
        return Expander(self.collection, parts.ledger, parts.acceptor, parts.settings.max_document_bytes, self.is_over)
