"""What the keeper's tests share: a keeper over a real pair of servers, and a worker that does its work when told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.collections.values import Collection
from services.errors import Unavailable
from services.ids import rebuild_key
from services.index.values import Outcome
from services.ledger import keys
from services.ledger.keeper import Keeper, KeeperOptions, SweepReport
from services.ledger.part import Limits
from services.ledger.values import DocumentKind, LeaseLost
from services.redis_clients import Client
from tests.integration.index_stand_in import HeadIndex, collection
from tests.integration.ledger_tools import CID, Desk, make_desk


@dataclass
class Known:
    """The collections a keeper hears of."""

    collections: list[Collection]
    deleted: set[str] = field(default_factory=set)

    def list(self) -> list[Collection]:
        return list(self.collections)

    def deleted_ids(self) -> set[str]:
        return self.deleted


@dataclass
class Bell:
    """Remembers who was rung for."""

    rung: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    trainings: list[str] = field(default_factory=list)

    def ring(self, collection_id: str) -> None:
        self.rung.append(collection_id)

    def purge(self, collection_id: str) -> None:
        self.purged.append(collection_id)

    def train(self, training_id: str) -> None:
        self.trainings.append(training_id)


@dataclass
class Watch:
    """A keeper with everything around it."""

    desk: Desk
    index: HeadIndex
    known: Known
    bell: Bell
    keeper: Keeper
    collection: Collection

    def sweep(self, times: int = 1) -> SweepReport:
        for _ in range(times):
            report = self.keeper.sweep()
        return report

    def work(self, most: int = 1_000_000) -> int:
        """Does what a worker does until nothing is due, or ``most`` documents are done."""
        done = 0
        while done < most and (claim := self.desk.claim(most=min(64, most - done))).documents:
            for document in claim.documents:
                if document.kind is DocumentKind.SOURCE:
                    continue
                try:
                    attempt = self.desk.ledger.begin(document, claim.token)
                    body = self.desk.ledger._envelopes.read(document.envelope).document.body.decode()
                    live = document.kind is not DocumentKind.DELETE
                    wrote = self.index.write(
                        self.collection, document.doc_hash, document.generation, attempt, body, live=live
                    )
                    assert wrote.outcome is not Outcome.ALREADY
                    self.desk.ledger.finish(
                        document, claim.token, attempt=attempt, chunks=wrote.chunks, sequence=wrote.sequence
                    )
                except LeaseLost:
                    continue
                except Unavailable:
                    return done  # as a worker that dies with what it holds
                done += 1
        return done

    def shown(self, id: str) -> str | None:
        return self.index.body(self.collection, self.desk.record(id).doc_hash)

    def mark(self) -> str | None:
        """What searches are told of a rebuild."""
        value = self.index.client.get(rebuild_key(CID))
        return None if value is None else value.decode()

    def another_keeper(self, **options: int) -> Keeper:
        return make_keeper(self.desk, self.index, self.known, self.bell, **options)

    def end_lock(self) -> None:
        self.desk.client.delete(keys.KEEPER_LOCK)


def make_keeper(desk: Desk, index: HeadIndex, known: Known, bell: Bell, **options: int) -> Keeper:
    return Keeper(
        ledger=desk.ledger,
        envelopes=desk.ledger._envelopes,
        index=index,
        index_client=index.client,
        collections=known,
        doorbell=bell,
        options=KeeperOptions(**options),
    )


def make_watch(ledger: Client, index: Client, folder: Path, *, limits: Limits | None = None, **options: int) -> Watch:
    desk = make_desk(ledger, folder, limits=limits)
    heads, here = HeadIndex(index), collection(CID)
    known, bell = Known([here]), Bell()
    heads.create(here)
    return Watch(desk, heads, known, bell, make_keeper(desk, heads, known, bell, **options), here)
