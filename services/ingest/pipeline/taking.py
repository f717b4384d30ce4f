"""Takes documents in hand: counts the attempt, then deletes, expands, copies or reads, whichever it takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from services.collections.values import Collection
from services.errors import InvalidInput, Unavailable
from services.ids import hash_document_id
from services.index.values import DocumentHead, Outcome, WriteOutcome
from services.ingest.chunks.chunking import Piece
from services.ingest.kinds.media_kinds import modality_of
from services.ingest.modalities import require_side
from services.ingest.pipeline.expansion import Expander
from services.ingest.pipeline.extracted_store import ExtractedStore
from services.ingest.pipeline.lease import Lease
from services.ingest.pipeline.media import embed_media, media_piece, thumbnail_of
from services.ingest.pipeline.members import MemberLimits
from services.ingest.pipeline.model import CollectionModel
from services.ingest.pipeline.parts import Parts
from services.ingest.pipeline.properties import Properties, with_properties
from services.ingest.pipeline.reading import is_plain, read_document, shown_title
from services.ingest.pipeline.settling import Settlement
from services.ingest.pipeline.shelf import Shelf
from services.ingest.pipeline.work import Stopwatch, Work, key_of, make_head
from services.ingest.values import Extracted, MediaPart
from services.ledger.bodies import body_file
from services.ledger.values import ClaimedDocument, DocumentKind, LeaseLost, NewDocument
from services.neardup.near_duplicates import Written
from services.neardup.signature import sign

log = logging.getLogger(__name__)

_EXPANDED = WriteOutcome(Outcome.WRITTEN, sequence=0, chunks=0)
_LAST_WORDS_S = 2.0
"""How long a file that is being read may still take when the worker has been told to stop; it has 6 s altogether."""


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
        is_stopping: whether the worker is to end.
    """

    parts: Parts
    collection: Collection
    lease: Lease
    settlement: Settlement
    model: CollectionModel
    extracted: ExtractedStore
    shelf: Shelf
    is_over: Callable[[], bool]
    is_stopping: Callable[[], bool]
    _stopping_since: float | None = None
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
        if claimed.kind is DocumentKind.TEXT:
            return self._take_document(claimed, self.parts.envelopes.read(claimed.envelope).document, attempt)
        document = self.parts.envelopes.open_document(claimed.envelope).document
        with closing(body_file(document.body)):
            return self._take_document(claimed, document, attempt)

    def _take_document(self, claimed: ClaimedDocument, document: NewDocument, attempt: int) -> Work | None:
        self.lease.progress()
        if claimed.kind is DocumentKind.SOURCE:
            self._expand(claimed, document, attempt)
            return None
        if claimed.children and not self._expander(claimed, document).remove_gone(claimed, self.lease):
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
        if claimed.children and not self._expander(claimed).remove_gone(claimed, self.lease):
            return
        outcome = self.parts.index.delete(self.collection, claimed.doc_hash, claimed.generation, attempt)
        self.parts.near_duplicates.forget(self.collection, claimed.doc_hash)
        self.settlement.written(claimed, attempt, replace(outcome, chunks=0), old_text=self.old_text(claimed))

    def _expand(self, claimed: ClaimedDocument, source: NewDocument, attempt: int) -> None:
        if not self._expander(claimed, source).expand(claimed, source, self.lease):
            return
        if claimed.visible_generation:  # what was one document is now a source
            self.parts.index.delete(self.collection, claimed.doc_hash, claimed.generation, attempt)
        title = source.title or source.source.rpartition("/")[2]
        known = self.extracted.properties(claimed.collection_id, source.text_hash)
        self.settlement.written(
            claimed,
            attempt,
            _EXPANDED,
            title=title,
            warnings=known.warnings if known else (),
            old_text=self.old_text(claimed, source.text_hash),
        )

    def _copy(self, claimed: ClaimedDocument, document: NewDocument, attempt: int) -> bool:
        """Keeps the vectors where only what is not embedded has changed; True when that was done."""
        old = self._heads.get(claimed.doc_hash)
        if old is None or old.text_hash != document.text_hash:
            return False
        known = Properties() if is_plain(document) else self.extracted.properties(claimed.collection_id, old.text_hash)
        if known is None:  # what it says of itself is lost, and would be missing from its metadata
            return False
        own_title = known.title or ("" if old.title == old.source.rpartition("/")[2] else old.title)
        title = shown_title(document, own_title)
        metadata, left_out = with_properties(document.metadata, known, self.collection)
        head = make_head(claimed, document, attempt, title, metadata)
        outcome = self.parts.index.copy_metadata(self.collection, head)
        if outcome.outcome is Outcome.MISSING:
            return False
        warnings = known.warnings + left_out
        if outcome.outcome is not Outcome.STALE:
            warnings += self._resembling(head, outcome.sequence, document, document.title or known.title)
        self.settlement.written(claimed, attempt, outcome, title=title, warnings=warnings)
        return True

    def _resembling(self, head: DocumentHead, sequence: int, document: NewDocument, title: str) -> tuple[str, ...]:
        """Says again what a document resembles; the attempt that wrote it may have died before it was remembered."""
        if modality_of(document.media_type) != "text":
            return ()
        text = None if is_plain(document) else self.extracted.get(self.collection.id, head.text_hash)
        if text is None:
            limit = self.parts.settings.max_document_bytes
            text = read_document(document, self.parts.sandbox, max_text_bytes=limit, tick=self._tick).text
        written = Written(head.id, hash_document_id(head.id), head.generation, head.text_hash, sequence)
        return self.parts.near_duplicates.settle(self.collection, written, sign(text, title))

    def _read(self, claimed: ClaimedDocument, document: NewDocument, attempt: int) -> Work:
        watch = Stopwatch()
        with watch.extracting():
            spec = self.model.embedder().spec
            require_side(spec.name, spec.modalities, document.media_type)
            limit = self.parts.settings.max_document_bytes
            extracted = read_document(document, self.parts.sandbox, max_text_bytes=limit, tick=self._tick)
            title = document.title or extracted.title
            # What can be said of pictures in words is the same of many: it tells nothing about duplicates.
            signature = sign(extracted.text, title) if extracted.media is None else None
            self.parts.near_duplicates.admit(self.collection, claimed.doc_hash, document.text_hash, signature)
            pieces = self._cut(extracted, title)
            if not pieces:
                raise InvalidInput(
                    "no text was found in this document, so nothing can be searched in it; give it a text or a title",
                    code="no-text",
                )
            found = Properties.of(extracted)
            if not is_plain(document):
                self.extracted.keep(claimed.collection_id, document.text_hash, extracted.text, found)
            metadata, left_out = with_properties(document.metadata, found, self.collection)
        work = Work(
            claimed,
            replace(document, body=b""),
            attempt,
            shown_title(document, extracted.title),
            extracted.warnings + left_out,
            pieces,
            metadata,
            extracted.pages,
            watch,
            signature,
        )
        if extracted.media is not None:
            self._see(work, extracted.media)
        return work

    def _cut(self, extracted: Extracted, title: str) -> Sequence[Piece]:
        if extracted.media is not None:
            return [media_piece(extracted)]
        return self.model.chunker().cut(extracted, title, self.lease.progress)

    def _see(self, work: Work, part: MediaPart) -> None:
        """Embeds a picture or a sound at once: kept for a batch, a hundred of them would take gigabytes."""
        if part.kind == "image":
            self.extracted.keep_thumbnail(work.claimed.collection_id, work.document.text_hash, thumbnail_of(part))
        began = time.monotonic()
        work.vectors.append(embed_media(self.model.embedder(), part))
        work.watch.embed_s += time.monotonic() - began
        self.lease.progress()

    def _tick(self) -> None:
        """Keeps the lease while a file is read elsewhere.

        Raises:
            LeaseLost: it is in other hands. Unavailable: the worker ends; the attempt does not count.
        """
        self.lease.progress()
        if not self.is_stopping():
            self._stopping_since = None
            return
        now = time.monotonic()
        self._stopping_since = self._stopping_since or now
        if now - self._stopping_since > _LAST_WORDS_S:
            raise Unavailable("the worker ends while a file is read; another one goes on with it", code="stopping")

    def _expander(self, claimed: ClaimedDocument, source: NewDocument | None = None) -> Expander:
        parts, settings = self.parts, self.parts.settings

        def warn(warnings: Sequence[str]) -> None:
            if warnings and source is not None:
                known = Properties(warnings=tuple(warnings))
                self.extracted.keep_properties(claimed.collection_id, source.text_hash, known)

        return Expander(
            self.collection,
            parts.ledger,
            parts.acceptor,
            parts.sandbox,
            MemberLimits(settings.max_document_bytes, settings.max_file_bytes, settings.queue_max_documents),
            self.is_over,
            self._tick,
            warn,
        )
