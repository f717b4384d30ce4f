"""From what a source has to what the ledger holds: documents offered and removed, and the record of it.

A thing is noted without a mark before it is handed over and with its mark afterwards. A crash in between has it offered
again, which changes nothing: ids and contents are the same. And what was noted is never forgotten when it disappears.
A document that somebody else put there under the same id is neither changed nor removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.collections.values import Collection
from services.errors import InvalidInput
from services.ids import file_document_id, hash_document_id
from services.ingest.accept import Acceptor
from services.ingest.cleaning import check_document_id
from services.ingest.values import FileInput
from services.ledger.reading import Reading
from services.ledger.values import DocumentKind, DocumentState
from services.sources.store import SourceStore
from services.sources.values import Hold, Item, Source, SourceKind, Tally

REMOVALS_PER_CALL = 500


@dataclass(frozen=True, slots=True)
class Offer:
    """A thing to be handed over: its key in the source, the file, and what to note once it is taken."""

    key: bytes
    file: FileInput
    item: Item


class Delivery:
    """Hands over what one look at a source found.

    Args:
        acceptor: takes documents.
        store: keeps the record.
        ledger: knows which documents there are.
        source: whose documents they are.
        collection: where they go.
        items: what is known of the source; kept up to date.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        store: SourceStore,
        ledger: Reading,
        source: Source,
        collection: Collection,
        items: dict[bytes, Item],
    ) -> None:
        self._acceptor = acceptor
        self._store = store
        self._ledger = ledger
        self._source = source
        self._collection = collection
        self.items = items
        self.tally = Tally()

    def offer(self, offers: Sequence[Offer], guard: Callable[[], None]) -> None:
        """Hands files over; one that is refused, or whose id is taken by somebody else, is noted with the reason.

        Raises:
            NearfieldError: nothing of it is known to be taken; it is offered again at the next look.
        """
        offers = self._without_foreign(offers)
        if not offers:
            return
        self._note({offer.key: Item(offer.item.document_id) for offer in offers if not self._is_ours(offer.key)})
        guard()
        taken = list(offers)
        try:
            outcomes = self._add(taken)
        except InvalidInput:
            taken = self._without_refused(offers)
            outcomes = self._add(taken) if taken else []
        new = [not self.items[offer.key].digest for offer in taken]
        self._note({offer.key: offer.item for offer in taken})
        for is_new, outcome in zip(new, outcomes, strict=True):
            same = outcome == "unchanged"
            self.tally = self.tally.plus(unchanged=same, added=is_new and not same, changed=not (is_new or same))

    def note(self, items: Mapping[bytes, Item]) -> None:
        """Notes what a look learned of things whose documents stay as they are."""
        held = {key: self.items[key].hold if key in self.items else Hold.NEW for key in items}
        self._note({key: replace(item, hold=held[key]) for key, item in items.items()})

    def freed(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these things were kept out by a document of somebody else that is gone now."""
        waiting = [key for key in keys if self.items[key].hold is Hold.FOREIGN]
        taken = self._taken_ids([self.items[key].document_id for key in waiting])
        return {key for key in waiting if self.items[key].document_id not in taken}

    def remove(self, keys: Sequence[bytes], guard: Callable[[], None]) -> None:
        """Removes the documents of things that are gone, as far as they are ours. Raises NearfieldError."""
        for start in range(0, len(keys), REMOVALS_PER_CALL):
            part = keys[start : start + REMOVALS_PER_CALL]
            guard()
            never_ours = {key for key in part if not self._is_ours(key)}
            kept = never_ours | {key for key in part if self._held_elsewhere(key)}
            ids = [self.items[key].document_id for key in part if key not in kept]
            if ids:
                self._acceptor.delete(self._collection, ids)
            self._store.save_items(self._source.id, {}, part)
            for key in part:
                del self.items[key]
            self.tally = self.tally.plus(removed=len(part) - len(never_ours))

    def _is_ours(self, key: bytes) -> bool:
        return key in self.items and self.items[key].hold is Hold.OURS

    def _without_foreign(self, offers: Sequence[Offer]) -> list[Offer]:
        """Those whose id is free or ours; the others are noted with the reason and nothing of them is handed over."""
        taken = self._taken_ids([offer.item.document_id for offer in offers if not self._is_ours(offer.key)])
        taken -= self._store.left_behind(self._collection.id, sorted(taken))
        foreign = {
            offer.key: replace(
                offer.item, digest="", etag="", last_modified="", error=self._taken_words(offer), hold=Hold.FOREIGN
            )
            for offer in offers
            if not self._is_ours(offer.key)
            and offer.item.document_id in taken
            and not self._brought_by_others(offer.key, offer.item)
        }
        self._note(foreign)
        return [
            replace(offer, item=replace(offer.item, hold=Hold.OURS)) for offer in offers if offer.key not in foreign
        ]

    def _taken_words(self, offer: Offer) -> str:
        ways = (
            "delete that one"
            if self._source.kind is not SourceKind.FOLDER
            else ("rename the source (remove it and add it under another name) or delete that one")
        )
        return (
            f"its id {offer.item.document_id[:200]!r} belongs already to another document of the collection, which "
            f"stays as it is; {ways}"
        )

    def _taken_ids(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids documents have that are not deleted or on their way out."""
        records = self._ledger.records(self._collection.id, [hash_document_id(id) for id in ids]) if ids else []
        return {
            id
            for id, record in zip(ids, records, strict=True)
            if record is not None
            and record.state is not DocumentState.DELETED
            and record.kind is not DocumentKind.DELETE
        }

    def _held_elsewhere(self, key: bytes) -> bool:
        """Pages are documents under their URL: another source that brought the same one still wants it."""
        return self._brought_by_others(key, self.items[key])

    def _brought_by_others(self, key: bytes, item: Item) -> bool:
        is_page = self._source.kind is not SourceKind.FOLDER and item.document_id == page_document_id(
            key.decode("utf-8", "replace")
        )
        return is_page and self._store.held_by_others(self._source, key)

    def _add(self, offers: Sequence[Offer]) -> list[str]:
        files = [offer.file for offer in offers]
        label = f"{self._source.name}: {files[0].name if len(files) == 1 else f'{len(files)} files'}"
        answer = self._acceptor.add_files(self._collection, files, label=label)
        return [document.outcome for document in answer.documents]

    def _without_refused(self, offers: Sequence[Offer]) -> list[Offer]:
        """Those that can be taken; the others are noted with their reason, and what they were before stays."""
        problems = self._acceptor.problems(self._collection, [offer.file for offer in offers])
        refused = {
            offer.key: replace(
                offer.item,
                digest=self.items[offer.key].digest,
                error=problem.message[:500],
                etag="",
                last_modified="",
                hold=Hold.OURS if self.items[offer.key].digest else Hold.NEW,
            )
            for offer, problem in zip(offers, problems, strict=True)
            if problem is not None
        }
        if not refused:
            raise InvalidInput("files were refused together that would be taken one by one")
        self._note(refused)
        return [offer for offer, problem in zip(offers, problems, strict=True) if problem is None]

    def _note(self, items: Mapping[bytes, Item]) -> None:
        if items:
            self._store.save_items(self._source.id, items)
            self.items.update(items)


def page_document_id(url: str) -> str:
    """The id of a page's document: its URL, or a digest of one that is too long for an id."""
    return short_id(url, "page-")


def short_id(text: str, prefix: str) -> str:
    """``text`` as a document id where it can be one, else a digest of it behind ``prefix``."""
    try:
        check_document_id(text)
    except (InvalidInput, UnicodeEncodeError):
        return prefix + file_document_id(text.encode("utf-8", "surrogateescape").hex())
    return text
