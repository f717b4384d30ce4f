"""Makes a lost ledger again from the envelopes alone, into an empty one. It may be broken off and begun again.

Every envelope is read in the order of writing and the newest generation of each document is wanted; deletes count like
any other version. Then each document is compared with the index, if that is still there: what it shows already is ready
at once, so losing the ledger costs no embedding. Only when all this is done does the ledger get back its instance id:
until then the keeper repairs nothing, and nobody has a collection to add to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from services.collections.durable import CollectionFolder, Descriptions
from services.collections.models import to_record
from services.collections.store import GONE_KEY, NAMES_KEY
from services.collections.values import Collection
from services.errors import Conflict
from services.ids import PREFIX, hash_document_id
from services.index.values import DocumentHead
from services.ledger import keys
from services.ledger.accepting import SOURCE_CHARS, TITLE_CHARS, URL_CHARS
from services.ledger.envelopes import EnvelopeStore
from services.ledger.instance import ID_FILE, MARK_FILE
from services.ledger.ledger import Ledger
from services.ledger.redis_link import redis_errors
from services.ledger.values import NewDocument
from services.recovery.envelopes import ScannedEnvelope, all_names, scan
from services.recovery.marks import Mark, Marks
from services.redis_clients import Client

RESTORING = f"{keys.ROOT}:restoring"
RESTORING_JOBS = f"{keys.ROOT}:restoring:jobs"
BATCH = 100
BATCH_DOCUMENTS = 2000
SETTLED = 250


class Heads(Protocol):
    """What is asked of the index."""

    def heads(self, collection: Collection, doc_hashes: Sequence[str]) -> list[DocumentHead | None]:
        """Heads in the order of the hashes."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild of the ledger came to.

    ``damaged`` maps names of envelopes to what is wrong with them; ``nameless`` are ids of collections whose envelopes
    are there and whose descriptions are not, with the number of envelopes; ``renamed`` maps a collection's id to the
    name it got because its own was taken.
    """

    envelopes: int = 0
    collections: int = 0
    ready: int = 0
    pending: int = 0
    deleted: int = 0
    ended: int = 0
    ahead: int = 0
    damaged: Mapping[str, str] = field(default_factory=dict)
    nameless: Mapping[str, int] = field(default_factory=dict)
    damaged_descriptions: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing was missing."""
        return not (self.damaged or self.nameless or self.damaged_descriptions or self.ahead)


Progress = Callable[[str, int, int], None]


class LedgerRebuild:
    """One rebuild.

    Args:
        ledger: over an empty Redis.
        index: what is still shown; None when there is no index to be asked.
        index_client: of the same server, for its instance id.
        progress: told (step, done, total).
    """

    def __init__(
        self,
        ledger: Ledger,
        envelopes: EnvelopeStore,
        descriptions: CollectionFolder,
        *,
        index: Heads | None = None,
        index_client: Client | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._link = ledger.link
        self._ledger = ledger
        self._envelopes = envelopes
        self._descriptions = descriptions
        self._index = index
        self._index_client = index_client
        self._tell = progress

    def run(self, marks: Marks | None = None) -> RebuildReport:
        """Makes the ledger.

        Args:
            marks: documents that had failed or were cancelled; without them they are tried again.

        Raises:
            Conflict: the ledger is not empty (code "ledger-not-empty"). Unavailable: a server does not answer.
        """
        instance = self._begin()
        found = self._descriptions.read()
        report = RebuildReport(damaged_descriptions=found.damaged)
        report = self._replay(found, report)
        shows = self._shown_by_index(instance)
        for collection in found.collections:
            report = self._settle(collection, marks or {}, report, asked=shows)
        return self._finish(found, instance, report)

    def _progress(self, what: str, done: int, total: int) -> None:
        if self._tell is not None:
            self._tell(what, done, total)

    def _begin(self) -> str:
        """Claims the empty ledger for this rebuild; the instance id that the folder, or else the index, holds."""
        require_empty_ledger(self._link.client)
        instance = _first_line(self._envelopes.folder / ID_FILE) or self._index_instance()
        number = int(_first_line(self._envelopes.folder / MARK_FILE) or 0)

        def call() -> None:
            client = self._link.client
            client.hset(RESTORING, "began", int(time.time()))
            client.set(keys.JOB_NUMBER, number, nx=True)  # above every job there was, or the keeper would call it old

        self._link.attempt(call)
        return instance

    def _replay(self, found: Descriptions, report: RebuildReport) -> RebuildReport:
        names = all_names(self._envelopes)
        known = {collection.id for collection in found.collections}
        damaged: dict[str, str] = {}
        nameless: dict[str, int] = {}
        calls: list[list[str | bytes | int]] = []
        documents = 0
        for position, name in enumerate(names):
            envelope = scan(self._envelopes.folder, name)
            if envelope.trouble:
                damaged[name] = envelope.trouble
            if envelope.header is None or envelope.header.collection_id in found.deleted:
                continue
            if envelope.header.collection_id not in known:
                collection_id = envelope.header.collection_id
                nameless[collection_id] = nameless.get(collection_id, 0) + 1
            elif envelope.documents:
                calls.append(_replay_arguments(envelope))
                documents += len(envelope.documents)
            if len(calls) >= BATCH or documents >= BATCH_DOCUMENTS:
                self._send(calls)
                calls, documents = [], 0
                self._progress("envelopes", position + 1, len(names))
        self._send(calls)
        self._progress("envelopes", len(names), len(names))
        return replace(report, envelopes=len(names), damaged=damaged, nameless=nameless)

    def _send(self, calls: list[list[str | bytes | int]]) -> None:
        if calls:  # in order: one pipeline keeps it, and the script puts the newest generation on top in any case
            self._link.run_all("replay", calls)

    def _shown_by_index(self, instance: str) -> bool:
        """Whether the index is the one that belongs to these envelopes; an empty or another one shows nothing."""
        if self._index is None or self._index_client is None:
            return False
        return bool(instance) and self._index_instance() == instance

    def _index_instance(self) -> str:
        if self._index_client is None:
            return ""
        with redis_errors("index"):
            return (self._index_client.get(keys.INDEX_INSTANCE) or b"").decode("ascii", "replace")

    def _settle(self, collection: Collection, marks: Marks, report: RebuildReport, *, asked: bool) -> RebuildReport:
        waiting = f"{RESTORING}:docs:{collection.id}"
        (total,) = self._link.read(lambda pipe: pipe.zcard(waiting))
        done = 0
        while True:
            (members,) = self._link.read(lambda pipe: pipe.zrange(waiting, 0, SETTLED - 1))
            if not members:
                break
            hashes = [member.decode() for member in members]
            heads = self._index.heads(collection, hashes) if asked and self._index else [None] * len(hashes)
            arguments: list[str | bytes | int] = [collection.id, 0 if asked else 1]
            records = self._ledger.records(collection.id, hashes)
            for doc_hash, head, record in zip(hashes, heads, records, strict=True):
                mark = marks.get((collection.id, doc_hash))
                if mark is not None and (record is None or record.wanted_generation != mark.generation):
                    mark = None
                arguments += [doc_hash, *_head_columns(head), *_mark_columns(mark)]
            ready, pending, deleted, ended, ahead = self._link.run("settle", *arguments)
            report = replace(
                report,
                ready=report.ready + int(ready),
                pending=report.pending + int(pending),
                deleted=report.deleted + int(deleted),
                ended=report.ended + int(ended),
                ahead=report.ahead + int(ahead),
            )
            done += len(hashes)
            self._progress(f"documents of {collection.name}", done, total)
        return report

    def _finish(self, found: Descriptions, instance: str, report: RebuildReport) -> RebuildReport:
        """Names the collections, forgets jobs without documents, and says whose ledger this is: now it counts."""
        names, renamed = give_names(found.collections)
        client = self._link.client

        def call() -> None:
            for job in client.sscan_iter(RESTORING_JOBS):
                if not client.exists(keys.job(job.decode())):
                    client.delete(f"{PREFIX}:om:job:{job.decode()}")
            for collection in found.collections:
                record = to_record(replace(collection, name=names[collection.id]))
                client.hset(str(record.key()), mapping=_hash_fields(record.model_dump()))
                client.hset(NAMES_KEY, names[collection.id], collection.id)
                if client.exists(keys.all_documents(collection.id), keys.in_state(collection.id, "deleted")):
                    client.sadd(keys.COLLECTIONS, collection.id)
            for collection_id in found.deleted:
                client.sadd(GONE_KEY, collection_id)
            if instance:
                client.set(keys.INSTANCE, instance, nx=True)
            client.delete(RESTORING, RESTORING_JOBS)

        self._link.attempt(call)
        return replace(report, collections=len(found.collections), renamed=renamed)


def require_empty_ledger(client: Client) -> None:
    """Refuses a ledger that holds anything but an earlier rebuild's beginning.

    Raises:
        Conflict: code "ledger-not-empty".
    """
    if client.exists(RESTORING):
        return
    found = [
        name for name in (keys.INSTANCE, NAMES_KEY, keys.COLLECTIONS, keys.ENVELOPES, GONE_KEY) if client.exists(name)
    ]
    if found:
        raise Conflict(
            "the ledger is not empty, and a rebuild would mix what it holds with what the envelopes say. Nothing was "
            "changed. With embedded servers give --data-dir, and the present ledger is moved aside; with servers of "
            "your own stop web, workers and keeper, then point NEARFIELD_LEDGER_URL at an empty one",
            code="ledger-not-empty",
        )


def give_names(collections: Sequence[Collection]) -> tuple[dict[str, str], dict[str, str]]:
    """A name for each collection by id, and those that had to take another one, because two had the same."""
    names: dict[str, str] = {}
    renamed: dict[str, str] = {}
    taken: set[str] = set()
    for collection in sorted(collections, key=lambda one: (one.created_at_ms, one.id)):
        name = collection.name
        if name in taken:
            name = f"{name[:40]}-{collection.id}"
            renamed[collection.id] = name
        taken.add(name)
        names[collection.id] = name
    return names, renamed


def _replay_arguments(envelope: ScannedEnvelope) -> list[str | bytes | int]:
    header = envelope.header
    if header is None:
        raise ValueError(f"envelope {envelope.name} has no header")
    arguments: list[str | bytes | int] = [header.collection_id, header.job_id, header.label, header.created_us]
    for scanned in envelope.documents:
        place = f"{envelope.name}:{scanned.offset}"
        arguments += _document_columns(scanned.stored.document, place, scanned.body_bytes, scanned.stored.generation)
    return arguments


def _document_columns(document: NewDocument, place: str, body_bytes: int, generation: int) -> list[str | bytes | int]:
    full = "" if document.kind.value == "delete" else document.full_hash
    return [
        hash_document_id(document.id),
        document.id,
        document.kind.value,
        place,
        body_bytes,
        document.media_type,
        document.title[:TITLE_CHARS],
        document.url if len(document.url) <= URL_CHARS else "",
        document.source[:SOURCE_CHARS],
        full,
        document.parent,
        generation,
    ]


def _head_columns(head: DocumentHead | None) -> list[str | bytes | int]:
    if head is None:
        return [""] * 6
    return [head.generation, head.attempt, head.chunks, int(head.live), head.sequence, head.title]


def _mark_columns(mark: Mark | None) -> list[str | bytes | int]:
    return ["", "", "", ""] if mark is None else [mark.state, mark.code, mark.reason, mark.visible]


def _hash_fields(fields: Mapping[str, Any]) -> dict[Any, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _first_line(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
