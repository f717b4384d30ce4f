"""What a collection does about a document whose text it has already under another id.

keep     it is indexed, and says which document it resembles.
skip     it ends failed, before anything of it is embedded.
replace  it is indexed, and then the older of the two is deleted like any document; the delete's job says why.

The check that follows a write happens in one step with remembering it, so of two documents that are written at once at
least one sees the other. Under "skip" two that are *read* at once are both indexed, and then say so like under "keep":
to lose one that has already been written would be worse. A document whose lost version is made again for the index is
never refused and replaces nothing: it was searchable before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.collections.values import Collection, NearDuplicatePolicy
from services.errors import Conflict, InvalidInput, NotFound
from services.ledger import keys
from services.ledger.redis_link import RedisLink
from services.ledger.values import AcceptAnswer, DocumentKind, DocumentRecord, DocumentState
from services.neardup.signature import Signature
from services.neardup.store import SignatureStore, Twin
from services.redis_clients import Client

log = logging.getLogger(__name__)

THRESHOLD = 0.9
_NAMED = 3  # twins that a warning names


class TwinLedger(Protocol):
    """What is asked of the ledger, and only when a twin was found."""

    @property
    def link(self) -> RedisLink:
        """For a read of its own."""

    def document(self, collection_id: str, document_id: str) -> DocumentRecord | None:
        """One document's record."""


class TwinRemover(Protocol):
    """How a document is deleted."""

    def delete(
        self,
        collection: Collection,
        document_ids: Sequence[str],
        *,
        request_id: str = "",
        request_hash: str = "",
        label: str = "",
        not_after: int = 0,
    ) -> AcceptAnswer:
        """Takes removals; ``label`` is what their job is called, newer versions than ``not_after`` are left alone."""


@dataclass(frozen=True, slots=True)
class Written:
    """A document that the index has just taken: its head's id, hash, generation, text hash and finish sequence."""

    id: str
    doc_hash: str
    generation: int
    text_hash: str
    sequence: int


class NearDuplicates:
    """Checks documents of any collection. All methods raise Unavailable when a server does not answer.

    Args:
        index_client: of the index Redis, replies as bytes.
        ledger: told apart by it are new documents and those made again.
        remover: deletes what is replaced.
        threshold: from which likeness on two documents are twins.
    """

    def __init__(
        self, index_client: Client, ledger: TwinLedger, remover: TwinRemover, *, threshold: float = THRESHOLD
    ) -> None:
        self._store = SignatureStore(index_client, threshold=threshold)
        self._ledger = ledger
        self._remover = remover

    def admit(self, collection: Collection, doc_hash: str, text_hash: str, signature: Signature | None) -> None:
        """Called between reading and embedding; refuses a twin where the collection skips them.

        Args:
            collection: in the index version that is written to.
            doc_hash: the newcomer.
            text_hash: what its head will say of its text.
            signature: of its text (``services.neardup.signature.sign``); None for a document without text.

        Raises:
            InvalidInput: code "near-duplicate", naming the document it resembles.
        """
        twin = self._check(collection, doc_hash, text_hash, signature)
        if twin is not None:
            raise InvalidInput(
                f"it has {_likeness(twin)} document {twin.id!r}, and this collection skips near-duplicates; to have "
                "this one instead, delete that one and retry, or use a collection that keeps or replaces them",
                code="near-duplicate",
            )

    def settle(self, collection: Collection, written: Written, signature: Signature | None) -> tuple[str, ...]:
        """Called after the write, before the ledger is told: remembers the document and does what the policy says.

        Safe to repeat. Nothing happens to a document that the index shows otherwise by now.

        Returns:
            warnings for people: which documents it resembles, or which it replaced.
        """
        if signature is None:
            return ()
        twins = self._store.remember(collection, written.doc_hash, written.text_hash, signature)
        if not twins:
            return ()
        if collection.near_duplicates is not NearDuplicatePolicy.REPLACE or self._is_made_again(
            collection, written.doc_hash
        ):
            return tuple(f"it has {_likeness(twin)} document {twin.id!r}" for twin in twins[:_NAMED])
        return self._replace(collection, written, twins)

    def forget(self, collection: Collection, doc_hash: str) -> None:
        """Called after a delete; without it the entry goes when it is met."""
        self._store.forget(collection, doc_hash)

    def _check(self, collection: Collection, doc_hash: str, text_hash: str, signature: Signature | None) -> Twin | None:
        if signature is None or collection.near_duplicates is not NearDuplicatePolicy.SKIP:
            return None
        twins = self._store.twins(collection, doc_hash, text_hash, signature)
        return twins[0] if twins and not self._is_made_again(collection, doc_hash) else None

    def _replace(self, collection: Collection, written: Written, twins: Sequence[Twin]) -> tuple[str, ...]:
        """Has the older one of each pair deleted: both sides may do it, and come to the same."""
        warnings = []
        for twin in twins:
            if twin.sequence < written.sequence:
                if self._delete(collection, twin.id, twin.generation, written.id, twin):
                    warnings.append(f"it replaced document {twin.id!r}, which had {_likeness(twin)} it and was deleted")
            elif self._delete(collection, written.id, written.generation, twin.id, twin):
                warnings.append(f"it was replaced by document {twin.id!r}, which has {_likeness(twin)} it")
                break
        return tuple(warnings)

    def _delete(self, collection: Collection, old_id: str, generation: int, new_id: str, twin: Twin) -> bool:
        """Asks for the removal of one version of a document; one that is being changed or removed already is left."""
        record = self._ledger.document(collection.id, old_id)
        if record is None or record.wanted_generation != generation or record.kind is DocumentKind.DELETE:
            return False
        if record.state not in (DocumentState.READY, DocumentState.PROCESSING):
            return False
        try:
            answer = self._remover.delete(
                collection,
                [old_id],
                request_id=f"near-duplicate:{record.doc_hash}:{generation}",
                request_hash="near-duplicate",
                label=f"replaced by {new_id[:120]!r}, a near-duplicate (likeness {twin.likeness:.2f})",
                not_after=generation,
            )
        except (Conflict, NotFound) as error:  # nothing that the newcomer should fail for
            log.warning("document %s was not replaced: %s", record.doc_hash, error.message)
            return False
        return answer.documents[0].outcome != "stale"

    def _is_made_again(self, collection: Collection, doc_hash: str) -> bool:
        """Whether the index showed this document before, lost it, and does not show it yet."""
        (found,) = self._ledger.link.read(lambda pipe: pipe.sismember(keys.lost(collection.id), doc_hash))
        return bool(found)


def _likeness(twin: Twin) -> str:
    return "the same text as" if twin.exact else f"nearly the same text (likeness {twin.likeness:.2f}) as"
