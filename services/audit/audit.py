"""The audit of a whole instance: figures and findings, running or not. It changes nothing.

What differs at the first look may just be changing. So suspicious documents are looked at again after a pause, and only
what is still so is a finding.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.audit.documents import SLICE, DocumentWalk, Walked
from services.audit.envelopes import EnvelopeLook, is_damaged, is_missing, look_at_envelopes, noted_references
from services.audit.values import OF_DOCUMENTS, REMOVING, AuditReport, EnvelopeFigures, Figures, Finding, Kind
from services.collections.durable import CollectionFolder
from services.collections.values import Collection
from services.errors import IndexRebuilding
from services.index.clearing import IndexClearing
from services.index.protocol import VectorIndex
from services.index.values import IndexInfo
from services.ledger.envelopes import EnvelopeStore
from services.ledger.erasing import is_erasing
from services.ledger.ledger import Ledger

EXAMPLES = 5
QUICK_PAUSE_S = 2.0
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Instance:
    """The parts of an instance that an audit looks at."""

    ledger: Ledger
    index: VectorIndex
    clearing: IndexClearing
    envelopes: EnvelopeStore
    descriptions: CollectionFolder
    extracted: Path


class Audit:
    """One audit.

    Args:
        patience_s: between two looks at what would be removed; longer than a lease.
        verify: read every envelope through and compare checksums.
        pause: how to wait.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        patience_s: float = 20.0,
        verify: bool = True,
        progress: Progress | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._at = instance
        self._walk = DocumentWalk(instance.ledger, instance.clearing)
        self._patience_s = patience_s
        self._verify = verify
        self._progress: Progress = progress or (lambda _what, _done, _total: None)
        self._pause = pause

    def run(self, collections: Sequence[Collection], *, whole: bool = True) -> AuditReport:
        """Looks at the given collections, and, when they are all there are (``whole``), at the rest of the instance.

        Raises:
            Unavailable: a server does not answer.
        """
        walks = {collection.id: self._first(collection) for collection in collections}
        if any(walked.suspects or walked.strays for walked in walks.values()):
            removing = any(REMOVING & set(walked.suspects) or walked.strays for walked in walks.values())
            self._pause(self._patience_s if removing else min(QUICK_PAUSE_S, self._patience_s))
        findings: list[Finding] = []
        for collection in collections:
            walked = self._second(collection, walks[collection.id])
            findings += self._of_documents(collection, walked)
            findings += self._of_figures(collection, walks[collection.id])
        envelopes = EnvelopeFigures()
        if whole:
            look = self._envelopes(walks.values())
            envelopes = look.figures
            findings += self._of_envelopes(collections, look)
            findings += self._of_folders(collections)
        figures = tuple(self._figures(collection, walks[collection.id]) for collection in collections)
        return AuditReport(figures, envelopes, tuple(findings))

    def _first(self, collection: Collection) -> Walked:
        total = sum(self._at.ledger.counts(collection.id).documents.values())
        return self._walk.walk(collection, self._progress, total)

    def _second(self, collection: Collection, first: Walked) -> Walked:
        """What is still suspicious, and for the same reason."""
        again = Walked()
        hashes = sorted(set().union(*first.suspects.values())) if first.suspects else []
        for start in range(0, len(hashes), SLICE):
            self._walk.examine(collection, hashes[start : start + SLICE], again)
        again.suspects = {
            kind: kept for kind, found in again.suspects.items() if (kept := found & first.suspects.get(kind, set()))
        }
        for doc_hash, places in first.strays.items():
            lone = {place for place in places if self._at.clearing.strays(collection, doc_hash, [place])}
            if lone:
                again.strays[doc_hash] = lone
        return again

    def _of_documents(self, collection: Collection, walked: Walked) -> Iterable[Finding]:
        for kind in (kind for kind in Kind if kind in OF_DOCUMENTS):
            hashes = sorted(walked.suspects.get(kind, ()))
            if hashes:
                examples = tuple(walked.ids.get(one, one) for one in hashes[:EXAMPLES])
                yield Finding(kind, collection.name, collection.id, len(hashes), examples, tuple(hashes))
        if walked.strays:
            count = sum(map(len, walked.strays.values()))
            members = tuple(
                f"{doc_hash}:{generation}:{ordinal}"
                for doc_hash, places in sorted(walked.strays.items())
                for generation, ordinal in sorted(places)
            )
            yield Finding(Kind.STRAYS, collection.name, collection.id, count, (), members)

    def _of_figures(self, collection: Collection, first: Walked) -> Iterable[Finding]:
        """Figures that were added up wrongly; only while nothing changes, as they cannot be read all at once."""
        if is_erasing(self._at.ledger, collection.id):
            return
        info = self._info(collection)
        if info is None:
            yield Finding(Kind.INDEX_ABSENT, collection.name, collection.id, 1)
        drifts = self._drifts(collection, first, info)
        if drifts and self._at.ledger.in_flight(collection.id) == 0:
            again = Walked()
            for hashes in self._walk.hashes(collection.id):
                self._walk.examine(collection, hashes, again)
            still = self._drifts(collection, again, self._info(collection))
            for kind, (said, right) in drifts.items():
                if still.get(kind) == (said, right):
                    members = (str(said), str(right))
                    yield Finding(kind, collection.name, collection.id, 1, (), members)

    def _drifts(self, collection: Collection, walked: Walked, info: IndexInfo | None) -> dict[Kind, tuple[str, str]]:
        found: dict[Kind, tuple[str, str]] = {}
        noted = self._at.ledger.counts(collection.id).chunks
        if noted != walked.chunks_ledger:
            found[Kind.LEDGER_CHUNKS] = str(noted), str(walked.chunks_ledger)
        documents, chunks, _ = self._at.clearing.counters(collection)
        if (documents, chunks) != (walked.live, walked.chunks_heads):
            found[Kind.INDEX_COUNTERS] = f"{documents}/{chunks}", f"{walked.live}/{walked.chunks_heads}"
        settled = info is not None and not info.indexing and not walked.strays and not walked.suspects
        if settled and info is not None and info.chunks != walked.chunks_keys:
            found[Kind.ENGINE_COUNT] = str(info.chunks), str(walked.chunks_keys)
        return found

    def _envelopes(self, walks: Iterable[Walked]) -> EnvelopeLook:
        counted: Counter[str] = Counter()
        for walked in walks:
            counted.update(walked.references)
        return look_at_envelopes(
            self._at.ledger, self._at.envelopes, counted, verify=self._verify, progress=self._progress
        )

    def _of_envelopes(self, collections: Sequence[Collection], look: EnvelopeLook) -> Iterable[Finding]:
        """Whose envelopes are no good, and references that were counted wrongly, looked at once more."""
        if not (look.missing or look.damaged or look.drifted):
            return
        counted: Counter[str] = Counter()
        for collection in collections:
            again, missing, damaged = Walked(), dict[str, str](), dict[str, str]()
            for hashes in self._walk.hashes(collection.id):
                self._walk.examine(collection, hashes, again)
                for doc_hash, record in zip(hashes, self._at.ledger.records(collection.id, hashes), strict=True):
                    name = record.envelope.partition(":")[0] if record is not None else ""
                    if record is None or record.error_code.startswith("envelope-") or record.state == "deleted":
                        continue
                    if name in look.missing and is_missing(self._at.envelopes.folder, name):
                        missing[doc_hash] = record.id
                    elif name in look.damaged and is_damaged(self._at.envelopes.folder, name):
                        damaged[doc_hash] = record.id
            counted.update(again.references)
            for kind, found in ((Kind.ENVELOPE_MISSING, missing), (Kind.ENVELOPE_DAMAGED, damaged)):
                if found:
                    examples = tuple(list(found.values())[:EXAMPLES])
                    yield Finding(kind, collection.name, collection.id, len(found), examples, tuple(found))
        noted = noted_references(self._at.ledger)
        wrong = {
            name: drift for name, drift in look.drifted.items() if (noted.get(name, 0), counted.get(name, 0)) == drift
        }
        if wrong:
            members = tuple(f"{name}:{said}:{right}" for name, (said, right) in sorted(wrong.items()))
            yield Finding(Kind.REFERENCES, "", "", len(wrong), (), members)

    def _of_folders(self, collections: Sequence[Collection]) -> Iterable[Finding]:
        described = {collection.id: collection for collection in self._at.descriptions.read().collections}
        lacking = [collection for collection in collections if described.get(collection.id) != collection]
        if lacking:
            names = tuple(collection.name for collection in lacking)
            yield Finding(Kind.NOT_DESCRIBED, "", "", len(lacking), names[:EXAMPLES], tuple(one.id for one in lacking))
        known = {collection.id for collection in collections} | set(self._at.ledger.collection_ids())
        folders = self._at.extracted.iterdir() if self._at.extracted.is_dir() else ()
        strange = sorted(folder.name for folder in folders if folder.is_dir() and folder.name not in known)
        if strange:
            yield Finding(Kind.NOBODYS_TEXTS, "", "", len(strange), (), tuple(strange))

    def _info(self, collection: Collection) -> IndexInfo | None:
        try:
            return self._at.index.info(collection)
        except IndexRebuilding:
            return None

    def _figures(self, collection: Collection, walked: Walked) -> Figures:
        counts, info = self._at.ledger.counts(collection.id), self._info(collection)
        texts = self._at.extracted / collection.id
        return Figures(
            name=collection.name,
            id=collection.id,
            states=counts.documents,
            accepted=walked.documents,
            searchable=counts.searchable,
            embedded=walked.embedded,
            chunks_ledger=counts.chunks,
            chunks_heads=walked.chunks_heads,
            chunks_keys=walked.chunks_keys,
            chunks_engine=info.chunks if info else 0,
            engine_refusals=info.failures if info else 0,
            texts=sum(1 for _ in texts.glob("*/*.z")) if texts.is_dir() else 0,
        )
