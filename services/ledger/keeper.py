"""The keeper: puts back what dead workers held, rings lost bells, keeps the index equal to the ledger, clears litter.

Two keepers do no harm: one sweeps, the other finds the lock taken, and each step is safe to repeat. It writes no chunks
and removes nothing unless folder, ledger and index agree about whose data this is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.collections.values import Collection
from services.doorbell import Doorbell
from services.errors import Unavailable
from services.ids import new_token
from services.ledger import keys
from services.ledger.comparing import NOTHING, Compared, IndexSide
from services.ledger.envelopes import SHARDS, EnvelopeStore
from services.ledger.erasing import Erasing
from services.ledger.instance import Instances, Standing
from services.ledger.ledger import Ledger
from services.ledger.log_rewrite import rewrite_log
from services.ledger.orphans import OrphanWatch
from services.ledger.redis_link import redis_errors
from services.ledger.repair import IndexRepair
from services.ledger.upkeep import Expired
from services.redis_clients import Client

PURGE_EVERY = 15
TRAIN_EVERY = 5


class Collections(Protocol):
    """Where the keeper learns which collections there are."""

    def list(self) -> list[Collection]:
        """All collections."""

    def deleted_ids(self) -> set[str]:
        """Ids of deleted collections that are not cleared yet."""


class Trainings(Protocol):
    """Where the keeper learns which models wait to be trained."""

    def due(self) -> Sequence[str]:
        """Ids of trainings that wait for a worker, or whose worker has gone silent."""


class Checks(Protocol):
    """What is looked at beside leases and heads, a little in every sweep."""

    def step(self, collections: Sequence[Collection]) -> Sequence[str]:
        """Looks at the next few things; what it has found, in words, when a round has come to its end."""


@dataclass(frozen=True, slots=True)
class KeeperOptions:
    """How patient the keeper is.

    Args:
        bell_patience_ms: due work that nobody has claimed or rung for is rung again after this.
        orphan_patience_ms: between two looks at a document that the ledger does not know; longer than any lease.
        lock_ms: another keeper takes over after this.
        keep_jobs: finished jobs that are remembered; older ones go after an hour.
        envelope_age_s: unreferenced envelopes stay at least this long.
    """

    bell_patience_ms: int = 5_000
    orphan_patience_ms: int = 60_000
    lock_ms: int = 10_000
    keep_jobs: int = 10_000
    envelope_age_s: int = 3_600


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one sweep did.

    ``acted`` is false when another keeper was at it. ``disagreement`` says why nothing was repaired, "" when all is
    well. ``rebuilding`` holds (searchable, expected) of collections whose index is incomplete.
    """

    acted: bool = True
    leases_ended: int = 0
    documents_failed: int = 0
    rung: tuple[str, ...] = ()
    index_away: bool = False
    disagreement: str = ""
    indexes_created: int = 0
    compared: Compared = NOTHING
    rebuilding: dict[str, tuple[int, int]] = field(default_factory=dict)
    orphans_seen: int = 0
    orphans_removed: int = 0
    jobs_forgotten: int = 0
    envelopes_removed: int = 0
    findings: tuple[str, ...] = ()


class Keeper:
    """Sweeps when told to; the pause between sweeps is the caller's.

    Args:
        index_client: of the index Redis; its time limit should be well below the length of a lease.
        erasing: makes collections again from nothing when asked to; None: nobody can ask.
        checks: looks at a little more in every sweep: the running audit.
        trainings: models that wait to be trained; None: nobody can ask for any.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        envelopes: EnvelopeStore,
        index: IndexSide,
        index_client: Client,
        collections: Collections,
        doorbell: Doorbell,
        options: KeeperOptions | None = None,
        erasing: Erasing | None = None,
        checks: Checks | None = None,
        trainings: Trainings | None = None,
    ) -> None:
        self._ledger = ledger
        self._link = ledger.link
        self._envelopes = envelopes
        self._collections = collections
        self._doorbell = doorbell
        self._options = options or KeeperOptions()
        self._token = new_token()
        self._sweeps = 0
        self._instances = Instances(self._link, index_client, envelopes)
        self._repair = IndexRepair(ledger, index, index_client, self._instances, erasing)
        self._checks = checks
        self._trainings = trainings
        self._orphans = OrphanWatch(ledger, index, index_client, patience_ms=self._options.orphan_patience_ms)

    def sweep(self) -> SweepReport:
        """One round of everything.

        Raises:
            Unavailable: the ledger does not answer. (An index that does not answer is only reported.)
        """
        if not self._lock("take"):
            return SweepReport(acted=False)
        try:
            with redis_errors("ledger"):
                collections = self._collections.list()
            expired = self._mind_leases()
            self._ring_for_purges()
            self._ring_for_trainings()
            report = SweepReport(
                leases_ended=expired.leases, documents_failed=len(expired.failed), rung=tuple(self._ring())
            )
            return self._clear(collections, self._mind_index(collections, expired, report))
        finally:
            with contextlib.suppress(Unavailable):
                self._lock("free")

    def _mind_leases(self) -> Expired:
        """Needs nothing but the ledger, so it comes first."""
        run_id = str(self._link.attempt(lambda: self._link.client.info("server")["run_id"]))
        if self._ledger.note_restart(run_id):
            self._link.attempt(lambda: rewrite_log(self._link.client))
        return self._ledger.expire()

    def _ring(self) -> list[str]:
        rung = self._ledger.lost_bells(self._ledger.collection_ids(), patience_ms=self._options.bell_patience_ms)
        for collection_id in rung:
            self._doorbell.ring(collection_id)
        return rung

    def _ring_for_purges(self) -> None:
        """The bell that a deleted collection rang may have been lost too."""
        self._sweeps += 1
        if self._sweeps % PURGE_EVERY == 1:
            for collection_id in sorted(self._collections.deleted_ids()):
                self._doorbell.purge(collection_id)

    def _ring_for_trainings(self) -> None:
        """One bell wakes one worker, which goes on until nothing waits; a bell more every few sweeps."""
        if self._trainings is not None and self._sweeps % TRAIN_EVERY == 1:
            for training_id in list(self._trainings.due())[:1]:
                self._doorbell.train(training_id)

    def _settle(self, collections: Sequence[Collection], failed: Sequence[tuple[str, str]]) -> None:
        """A worker may have died between its last write and its word about it: then it is done and not failed."""
        known = {collection.id: collection for collection in collections}
        for collection_id, doc_hash in failed:
            if collection_id in known:
                self._repair.compare(known[collection_id], [doc_hash])

    def _mind_index(self, collections: Sequence[Collection], expired: Expired, report: SweepReport) -> SweepReport:
        try:
            look = self._instances.look()
            if look.standing is Standing.DISAGREE:
                return replace(report, disagreement=look.reason)
            if look.standing is Standing.INDEX_EMPTY:
                self._repair.mark_wiped(collections, look.instance)
            if not self._lock("keep"):
                return report
            self._settle(collections, expired.failed)
            repaired = self._repair.repair(collections)
            orphans = self._orphans.look(collections)
        except Unavailable as error:
            if error.code.startswith("ledger"):
                raise
            return replace(report, index_away=True)
        if repaired.compared.requeued:
            report = replace(report, rung=(*report.rung, *self._ring()))
        return replace(
            report,
            indexes_created=repaired.created,
            compared=repaired.compared,
            rebuilding=repaired.rebuilding,
            orphans_seen=orphans.seen,
            orphans_removed=orphans.removed,
        )

    def _clear(self, collections: Sequence[Collection], report: SweepReport) -> SweepReport:
        """Old jobs, and one folder of envelopes in turn; not while it is unclear whose they are."""
        if report.disagreement or report.index_away or not self._lock("keep"):
            return report
        shard = int(self._link.attempt(lambda: self._link.client.hincrby(keys.KEEPER, "shard", 1))) % SHARDS
        seconds, micros = self._link.attempt(lambda: self._link.client.time())
        removed = self._envelopes.sweep(
            shard,
            now_us=int(seconds) * 1_000_000 + int(micros),
            condemn=self._ledger.condemn,
            older_than_s=self._options.envelope_age_s,
        )
        forgotten = self._ledger.prune_jobs(keep=self._options.keep_jobs)
        findings = tuple(self._checks.step(collections)) if self._checks is not None and not report.rebuilding else ()
        return replace(report, envelopes_removed=removed, jobs_forgotten=forgotten, findings=findings)

    def _lock(self, verb: str) -> bool:
        return bool(self._link.run("lock", verb, self._token, self._options.lock_ms))
