"""From what a source has to what the ledger holds: documents offered and removed, and the record of it.

A thing is noted without a mark before it is handed over and with its mark afterwards. A crash in between has it offered
again, which changes nothing: ids and contents are the same. And what was noted is never forgotten when it disappears.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.collections.values import Collection
from services.errors import InvalidInput
from services.ids import file_document_id
from services.ingest.accept import Acceptor
from services.ingest.cleaning import check_document_id
from services.ingest.values import FileInput
from services.sources.store import SourceStore
from services.sources.values import Item, Source, Tally

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
        source: whose documents they are.
        collection: where they go.
        items: what is known of the source; kept up to date.
    """

    def __init__(
        self, acceptor: Acceptor, store: SourceStore, source: Source, collection: Collection, items: dict[bytes, Item]
    ) -> None:
        self._acceptor = acceptor
        self._store = store
        self._source = source
        self._collection = collection
        self.items = items
        self.tally = Tally()

    def offer(self, offers: Sequence[Offer], guard: Callable[[], None]) -> None:
        """Hands files over; one that is refused is noted with the reason.

        Raises:
            NearfieldError: nothing of it is known to be taken; it is offered again at the next look.
        """
        if not offers:
            return
        self._note({offer.key: Item(offer.item.document_id) for offer in offers if offer.key not in self.items})
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
        self._note(items)

    def remove(self, keys: Sequence[bytes], guard: Callable[[], None]) -> None:
        """Removes the documents of things that are gone. Raises NearfieldError."""
        for start in range(0, len(keys), REMOVALS_PER_CALL):
            part = keys[start : start + REMOVALS_PER_CALL]
            guard()
            kept = {key for key in part if self._held_elsewhere(key)}
            ids = [self.items[key].document_id for key in part if key not in kept]
            if ids:
                self._acceptor.delete(self._collection, ids)
            self._store.save_items(self._source.id, {}, part)
            for key in part:
                del self.items[key]
            self.tally = self.tally.plus(removed=len(part))

    def _held_elsewhere(self, key: bytes) -> bool:
        """Pages are documents under their URL: another source that brought the same one still wants it."""
        return self.items[key].document_id == page_document_id(key.decode("utf-8", "replace")) and (
            self._store.held_by_others(self._source, key)
        )

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
                offer.item, digest=self.items[offer.key].digest, error=problem.message[:500], etag="", last_modified=""
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
