"""The audit that never ends: the keeper looks at a few documents in every sweep and tells when a round is over.

It heals nothing; what the keeper can heal safely it does elsewhere. A suspicion counts when it is still there at a
second look, further from the first than a lease is long. What a round found lies in one key of the ledger.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from services.audit.audit import EXAMPLES, Instance
from services.audit.documents import DocumentWalk, Walked
from services.audit.envelopes import is_damaged, is_missing
from services.audit.values import Finding, Kind
from services.audit.words import what
from services.collections.values import Collection
from services.errors import Unavailable
from services.ledger import keys
from services.ledger.erasing import is_erasing
from services.ledger.ledger import Ledger
from services.recovery.envelopes import envelope_path

KEY = f"{keys.ROOT}:audit"
DOCUMENTS_PER_STEP = 50
BYTES_PER_STEP = 8 * 1024 * 1024
RECONCILE_EVERY = 30
LEAST_ROUND_S = 60.0
_Suspicion = tuple[str, Kind, str]


class RunningAudit:
    """Takes a step per sweep.

    Args:
        gone: ids of deleted collections that are not cleared yet.
        patience_s: between two looks.
    """

    def __init__(
        self,
        instance: Instance,
        *,
        gone: Callable[[], AbstractSet[str]],
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at = instance
        self._gone = gone
        self._patience_s = patience_s
        self._clock = clock
        self._walk = DocumentWalk(instance.ledger, instance.clearing)
        self._steps = 0
        self._round: Iterator[tuple[Collection, list[str]]] = iter(())
        self._round_began = -LEAST_ROUND_S
        self._suspicions: dict[_Suspicion, tuple[float, str]] = {}
        self._names: dict[str, str] = {}

    def step(self, collections: Sequence[Collection]) -> Sequence[str]:
        """Looks at the next documents; findings in words when a round has just ended, else nothing.

        Raises:
            Unavailable: a server does not answer.
        """
        if self._steps % RECONCILE_EVERY == 0:
            with contextlib.suppress(Unavailable):  # a full disk: told by whoever needs it
                self._at.descriptions.reconcile(collections, self._gone())
        self._steps += 1
        piece = next(self._round, None)
        if piece is not None:
            self._look(*piece)
            return ()
        if self._clock() - self._round_began < LEAST_ROUND_S:
            return ()
        findings = self._again({collection.id: collection for collection in collections})
        self._tell(findings)
        self._names = {collection.id: collection.name for collection in collections}
        self._round, self._round_began = self._pieces(collections), self._clock()
        return [what(finding) for finding in findings]

    def _pieces(self, collections: Sequence[Collection]) -> Iterator[tuple[Collection, list[str]]]:
        for collection in collections:
            if not is_erasing(self._at.ledger, collection.id):
                for hashes in self._walk.hashes(collection.id, DOCUMENTS_PER_STEP):
                    yield collection, hashes

    def _look(self, collection: Collection, hashes: list[str]) -> None:
        now, seen = self._clock(), self._suspects(collection, hashes)
        for kind, found in seen.items():
            for doc_hash, document_id in found.items():
                self._suspicions.setdefault((collection.id, kind, doc_hash), (now, document_id))
        for cid, kind, doc_hash in list(self._suspicions):
            if cid == collection.id and doc_hash in hashes and doc_hash not in seen.get(kind, {}):
                del self._suspicions[(cid, kind, doc_hash)]

    def _suspects(self, collection: Collection, hashes: Sequence[str]) -> dict[Kind, dict[str, str]]:
        walked = Walked()
        self._walk.examine(collection, hashes, walked)
        found = {kind: {one: walked.ids.get(one, one) for one in seen} for kind, seen in walked.suspects.items()}
        for kind, doc_hash in self._envelopes(collection, hashes):
            found.setdefault(kind, {})[doc_hash] = walked.ids.get(doc_hash, doc_hash)
        return found

    def _envelopes(self, collection: Collection, hashes: Sequence[str]) -> Iterator[tuple[Kind, str]]:
        """Originals that are gone or damaged; so many bytes are read at a time, at least one envelope."""
        folder, left, checked = self._at.envelopes.folder, BYTES_PER_STEP, dict[str, bool]()
        for doc_hash, record in zip(hashes, self._at.ledger.records(collection.id, hashes), strict=True):
            if record is None or record.state == "deleted" or record.error_code.startswith("envelope-"):
                continue
            name = record.envelope.partition(":")[0]
            if is_missing(folder, name):
                yield Kind.ENVELOPE_MISSING, doc_hash
            elif name in checked or left > 0:
                if name not in checked:
                    with contextlib.suppress(OSError):
                        left -= envelope_path(folder, name).stat().st_size
                    checked[name] = is_damaged(folder, name)
                if checked[name]:
                    yield Kind.ENVELOPE_DAMAGED, doc_hash

    def _again(self, collections: dict[str, Collection]) -> list[Finding]:
        """What is still suspicious long after the first look."""
        now = self._clock()
        old: dict[tuple[str, Kind], list[str]] = {}
        for (cid, kind, doc_hash), (first, _) in self._suspicions.items():
            if cid in collections and now - first >= self._patience_s:
                old.setdefault((cid, kind), []).append(doc_hash)
        findings = []
        for (cid, kind), hashes in sorted(old.items()):
            still = self._suspects(collections[cid], hashes).get(kind, {})
            if still:
                examples = tuple(list(still.values())[:EXAMPLES])
                name = collections[cid].name
                findings.append(Finding(kind, name, cid, len(still), examples, tuple(still)))
        return findings

    def _tell(self, findings: Sequence[Finding]) -> None:
        client = self._at.ledger.link.client
        said = {"at": int(time.time() * 1000), "findings": [what(finding) for finding in findings]}
        self._at.ledger.link.attempt(lambda: client.set(KEY, json.dumps(said)))


def last_round(ledger: Ledger) -> tuple[int, tuple[str, ...]] | None:
    """When the keeper's last round of looking ended, ms since the epoch, and what it found; None before the first."""
    (found,) = ledger.link.read(lambda pipe: pipe.get(KEY))
    match json.loads(found) if found is not None else None:
        case {"at": int(ended), "findings": [*findings]}:
            return ended, tuple(str(finding) for finding in findings)
    return None
