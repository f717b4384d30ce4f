"""The keeper and the index: what it lost comes back, what nobody knows goes, and in doubt nothing is touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ids import hash_document_id, head_key
from services.ledger import keys
from services.ledger.instance import ID_FILE, MARK_FILE
from services.ledger.values import DocumentState
from services.redis_clients import BULK, INTERACTIVE, Client, connect
from tests.conftest import RedisPair
from tests.integration.index_stand_in import HeadIndex
from tests.integration.keeper_tools import Watch, make_watch
from tests.integration.ledger_tools import CID, check_books, hang_up

IDS = tuple(f"n{number}" for number in range(6))


@pytest.fixture
def watch(ledger_client: Client, index_client: Client, tmp_path: Path) -> Watch:
    """Six documents, searchable, and a keeper that knows its instance."""
    watch = make_watch(ledger_client, index_client, tmp_path / "accepted")
    watch.desk.add(*IDS)
    watch.work()
    watch.sweep()
    return watch


def lose(watch: Watch, *ids: str) -> None:
    for id in ids:
        watch.index.client.delete(head_key(CID, 1, hash_document_id(id)))


def test_nothing_is_done_while_all_is_well(watch: Watch) -> None:
    for _ in range(4):
        report = watch.sweep()
        assert (report.compared.requeued, report.compared.adopted, report.compared.ahead) == (0, 0, 0)
        assert (report.rung, report.rebuilding, report.disagreement) == ((), {}, "")
    assert report.compared.documents == 6
    assert watch.mark() is None


def test_a_flushed_index_is_made_again_and_searches_are_told_meanwhile(watch: Watch) -> None:
    watch.index.client.flushall()
    report = watch.sweep()
    assert report.indexes_created == 1
    assert report.compared.requeued == 6
    assert report.rung == (CID,)
    assert report.rebuilding == {CID: (0, 6)}
    assert watch.mark() == "0/6"
    assert watch.desk.ledger.counts(CID).searchable == 0
    watch.work(2)
    watch.sweep()
    assert watch.mark() == "2/6"
    watch.work()
    assert watch.sweep().rebuilding == {}
    assert watch.mark() is None
    assert [watch.shown(id) for id in IDS] == ["hello"] * 6
    check_books(watch.desk, IDS)


def test_searches_are_told_before_the_index_exists_again(watch: Watch) -> None:
    """An index that is there, empty and unmarked would answer "nothing found"."""
    told: list[str | None] = []
    create = watch.index.create
    watch.index.create = lambda collection: (told.append(watch.mark()), create(collection))[1]  # type: ignore[method-assign]
    watch.index.client.flushall()
    watch.sweep()
    assert told == ["0/6"]


def test_a_dropped_search_index_is_made_again(watch: Watch) -> None:
    told: list[str | None] = []
    create = watch.index.create
    watch.index.create = lambda collection: (told.append(watch.mark()), create(collection))[1]  # type: ignore[method-assign]
    watch.index.client.delete(f"test:index:{CID}")
    report = watch.sweep()
    assert told == ["0/6"]
    assert (report.indexes_created, report.compared.requeued) == (1, 0)
    assert watch.mark() == "0/6"
    watch.sweep()
    assert watch.mark() is None


def test_one_missing_document_is_found_without_any_sign(watch: Watch) -> None:
    lose(watch, "n3")
    report = watch.sweep()
    assert report.compared.requeued == 1
    assert watch.desk.state("n3") is DocumentState.PENDING
    assert watch.mark() == "5/6"
    watch.work()
    watch.sweep()
    assert (watch.shown("n3"), watch.mark()) == ("hello", None)
    check_books(watch.desk, IDS)


def test_a_job_that_ended_keeps_its_figures_when_the_index_loses_its_documents(watch: Watch) -> None:
    job_id = watch.desk.record("n0").job_id
    watch.index.client.flushall()
    watch.sweep()
    assert watch.desk.job(job_id) == {"total": 6, "ready": 6}


def test_a_lost_delete_is_done_again(watch: Watch) -> None:
    """A crash takes the tombstone, and the deleted document is back in the search."""
    key = head_key(CID, 1, hash_document_id("n1"))
    old = watch.index.client.hgetall(key)
    watch.desk.delete("n1")
    watch.work()
    assert watch.shown("n1") is None
    watch.index.client.delete(key)
    watch.index.client.hset(key, mapping=old)
    watch.sweep(4)
    assert watch.desk.state("n1") is DocumentState.PENDING
    watch.work()
    assert watch.shown("n1") is None
    assert watch.desk.state("n1") is DocumentState.DELETED
    check_books(watch.desk, IDS)


def test_an_older_version_on_the_index_is_replaced_again(watch: Watch) -> None:
    key = head_key(CID, 1, hash_document_id("n2"))
    old = watch.index.client.hgetall(key)
    watch.desk.add("n2", body="newer")
    watch.work()
    watch.index.client.delete(key)
    watch.index.client.hset(key, mapping=old)
    watch.sweep(2)
    watch.work()
    assert watch.shown("n2") == "newer"


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_the_version_before_a_failed_update_is_made_again(watch: Watch, end: str) -> None:
    """A failed update leaves the old version searchable, also when the index is lost afterwards."""
    job_id = watch.desk.add("n0", body="an update").job_id
    if end == "failed":
        document, token = watch.desk.one()
        watch.desk.ledger.begin(document, token)
        watch.desk.ledger.fail(document, token, code="bad", reason="It is bad.", retry=False)
    else:
        watch.desk.ledger.cancel(job_id)
    watch.index.client.flushall()
    watch.sweep()
    record = watch.desk.record("n0")
    assert (record.state, record.visible_generation) == (end, 0)
    check_books(watch.desk, IDS)
    assert watch.work() == 6
    watch.sweep()
    record = watch.desk.record("n0")
    assert (watch.shown("n0"), record.state) == ("hello", end)
    assert 0 < record.visible_generation < record.wanted_generation
    assert watch.mark() is None
    assert watch.desk.job(job_id) == {"total": 1, end: 1}
    check_books(watch.desk, IDS)


def test_an_update_under_way_when_the_index_is_lost_comes_first(watch: Watch) -> None:
    watch.desk.add("n0", body="an update")
    document, token = watch.desk.one()
    watch.desk.ledger.begin(document, token)
    watch.index.client.flushall()
    watch.sweep()
    assert watch.desk.state("n0") is DocumentState.PROCESSING
    watch.desk.ledger.fail(document, token, code="bad", reason="It is bad.", retry=False)
    check_books(watch.desk, IDS)
    watch.work()
    assert watch.shown("n0") == "hello"
    watch.sweep()
    assert watch.mark() is None
    check_books(watch.desk, IDS)


def test_an_old_version_that_cannot_be_made_again_ends_the_rebuild(watch: Watch) -> None:
    watch.desk.add("n0", body="an update")
    document, token = watch.desk.one()
    watch.desk.ledger.fail(document, token, code="bad", reason="It is bad.", retry=False)
    watch.index.client.flushall()
    watch.sweep()
    claim = watch.desk.claim()
    for document in claim.documents:
        if document.id == "n0":
            watch.desk.ledger.begin(document, claim.token)
            assert (
                watch.desk.ledger.fail(document, claim.token, code="y", reason="It is gone.", retry=False) == "failed"
            )
    watch.desk.expire_leases()
    watch.sweep()
    watch.work()
    watch.sweep()
    record = watch.desk.record("n0")
    assert (record.visible_generation, record.visible_envelope) == (0, "")
    assert "It is gone." in record.error
    assert watch.mark() is None
    check_books(watch.desk, IDS)


def test_a_lost_document_that_cannot_be_made_again_ends_the_rebuild(watch: Watch) -> None:
    lose(watch, "n0")
    watch.sweep()
    document, token = watch.desk.one()
    watch.desk.ledger.fail(document, token, code="envelope-missing", reason="It is gone.", retry=False)
    watch.sweep()
    assert (watch.desk.state("n0"), watch.mark()) == (DocumentState.FAILED, None)
    check_books(watch.desk, IDS)


class TestOrphans:
    def put(self, watch: Watch, *ids: str) -> None:
        for id in ids:
            watch.index.write(watch.collection, hash_document_id(id), 5, 1, "whose is this")

    def shown(self, watch: Watch, id: str) -> bool:
        return watch.index.body(watch.collection, hash_document_id(id)) is not None

    def test_go_after_two_looks_with_time_between(self, watch: Watch) -> None:
        self.put(watch, "stranger")
        for _ in range(3):
            report = watch.sweep()
            assert (report.orphans_seen, report.orphans_removed) == (1, 0)
        report = watch.another_keeper(orphan_patience_ms=0).sweep()
        assert report.orphans_removed == 1
        assert not self.shown(watch, "stranger")
        assert watch.sweep().orphans_seen == 0
        assert [watch.shown(id) for id in IDS] == ["hello"] * 6

    def test_that_become_known_meanwhile_stay(self, watch: Watch) -> None:
        self.put(watch, "stranger")
        watch.sweep()
        watch.desk.add("stranger")
        watch.another_keeper(orphan_patience_ms=0).sweep()
        assert self.shown(watch, "stranger")

    def test_that_are_written_again_are_looked_at_anew(self, watch: Watch) -> None:
        self.put(watch, "stranger")
        watch.sweep()
        watch.index.write(watch.collection, hash_document_id("stranger"), 6, 1, "newer")
        (member,) = watch.desk.client.zrange(keys.ORPHANS, 0, -1)
        watch.desk.client.zadd(keys.ORPHANS, {member: 1})
        assert watch.sweep().orphans_removed == 0

    def test_go_a_few_at_a_time(self, watch: Watch) -> None:
        self.put(watch, *(f"stranger{number}" for number in range(30)))
        keeper = watch.another_keeper(orphan_patience_ms=0)
        assert [keeper.sweep().orphans_removed for _ in range(3)] == [20, 10, 0]


class TestWhoseDataIsIt:
    @pytest.fixture
    def disturbed(self, watch: Watch) -> Iterator[Watch]:
        """Whatever disagrees: nothing is queued, removed or marked, and the rest of the sweep goes on."""
        yield watch
        for shard in range(256):
            (watch.desk.folder / f"{shard:02x}" / f"{1:016d}-00000000000000{shard:02x}.nfe").write_bytes(b"old")
        heads = len(list(watch.index.client.scan_iter("nf:h:*")))
        files = set(watch.desk.folder.glob("*/*.nfe"))
        watch.desk.add("more")
        watch.desk.claim()
        keeper = watch.another_keeper(orphan_patience_ms=0, envelope_age_s=0)
        keeper.sweep()
        watch.desk.expire_leases()
        for _ in range(3):
            report = keeper.sweep()
            assert report.disagreement
            assert (report.compared.documents, report.orphans_seen, report.envelopes_removed) == (0, 0, 0)
        assert watch.desk.state("more") is DocumentState.PENDING  # its lease was taken back all the same
        assert len(list(watch.index.client.scan_iter("nf:h:*"))) == heads
        assert files <= set(watch.desk.folder.glob("*/*.nfe"))

    def test_one_id_in_three_places(self, watch: Watch) -> None:
        ids = {
            watch.desk.client.get(keys.INSTANCE),
            watch.index.client.get(keys.INDEX_INSTANCE),
            (watch.desk.folder / ID_FILE).read_bytes().strip(),
        }
        assert len(ids) == 1
        assert ids.pop().decode().endswith(":1")  # type: ignore[union-attr]

    def test_an_index_of_another_instance(self, disturbed: Watch) -> None:
        disturbed.index.client.set(keys.INDEX_INSTANCE, "another:1")

    def test_an_emptied_ledger(self, disturbed: Watch) -> None:
        disturbed.desk.client.flushall()

    def test_a_folder_of_another_instance(self, disturbed: Watch) -> None:
        (disturbed.desk.folder / ID_FILE).write_text("another:1\n")

    def test_a_ledger_that_is_older_than_the_folder(self, disturbed: Watch) -> None:
        """Its log was cut, or an old copy was put in place: its unreferenced envelopes are what it has lost."""
        number = int((disturbed.desk.folder / MARK_FILE).read_text())
        assert number == 1
        (disturbed.desk.folder / MARK_FILE).write_text(f"{number + 5}\n")

    def test_a_folder_that_is_empty_although_the_ledger_points_into_it(self, watch: Watch) -> None:
        for path in (*watch.desk.folder.glob("*/*.nfe"), watch.desk.folder / ID_FILE):
            path.unlink()
        report = watch.sweep()
        assert "empty" in report.disagreement
        assert not (watch.desk.folder / ID_FILE).exists()

    def test_a_restored_epoch_disagrees_with_the_index(self, disturbed: Watch) -> None:
        client, folder = disturbed.desk.client, disturbed.desk.folder
        restored = (client.get(keys.INSTANCE) or b"").replace(b":1", b":2")
        client.set(keys.INSTANCE, restored)
        (folder / ID_FILE).write_bytes(restored)

    def test_a_crash_while_the_id_was_being_made_is_made_good(self, watch: Watch) -> None:
        (watch.desk.folder / ID_FILE).unlink()
        watch.index.client.delete(keys.INDEX_INSTANCE)
        assert watch.sweep().disagreement == ""
        self.test_one_id_in_three_places(watch)
        assert watch.sweep(2).compared.requeued == 0


def test_a_newer_document_on_the_index_is_only_reported(watch: Watch) -> None:
    key = head_key(CID, 1, hash_document_id("n0"))
    watch.index.client.hset(key, "gen", 9_000_000_000_000_000)
    report = watch.sweep()
    assert (report.compared.ahead, report.compared.requeued) == (1, 0)
    assert watch.desk.state("n0") is DocumentState.READY


def test_an_index_that_is_away_stops_nothing_else(
    private_redis_pair: RedisPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledger.repair.ROLLING_PER_SWEEP", 1)
    pair = private_redis_pair
    ledger, index = connect(pair.ledger.url, BULK), connect(pair.index.url, INTERACTIVE)
    watch = make_watch(ledger, index, tmp_path / "accepted")
    watch.desk.add(*IDS)
    watch.work(3)
    watch.sweep()
    watch.desk.claim()
    pair.index.kill()
    watch.desk.expire_leases()
    report = watch.sweep()
    assert (report.index_away, report.leases_ended, report.rung) == (True, 1, (CID,))
    pair.index.start()
    report = watch.sweep()
    assert (report.index_away, report.compared.requeued) == (False, 0)
    assert report.compared.documents >= 3  # it was restarted: everything is compared
    watch.work()
    check_books(watch.desk, IDS)
    hang_up(ledger, index)


@pytest.mark.parametrize("kept", [0.0, 0.4, 0.9])
def test_what_a_power_cut_took_from_the_index_is_made_again(
    private_redis_pair: RedisPair, tmp_path: Path, kept: float
) -> None:
    """The index fsyncs once a second: its log is cut back to an earlier length, as by the machine going down."""
    pair = private_redis_pair
    ledger, index = connect(pair.ledger.url, BULK), connect(pair.index.url, BULK)
    watch = make_watch(ledger, index, tmp_path / "accepted")
    watch.sweep()
    while index.info("persistence")["aof_rewrite_in_progress"] or index.info("persistence")["aof_rewrite_scheduled"]:
        time.sleep(0.02)  # the keeper has asked for a new log, as after every restart that it notices
    watch.desk.add(*IDS)
    watch.work()
    watch.desk.add("n0", "n1", body="newer")
    watch.desk.delete("n5")
    watch.work()
    (log,) = (pair.index.folder / "appendonlydir").glob("*.incr.aof")
    pair.index.kill()
    with log.open("r+b") as file:
        file.truncate(int(log.stat().st_size * kept))
    pair.index.start()
    watch.index = HeadIndex(connect(pair.index.url, BULK))
    for _ in range(4):
        watch.sweep()
        watch.work()
    watch.sweep()
    assert [watch.shown(id) for id in IDS] == ["newer", "newer", "hello", "hello", "hello", None]
    assert watch.mark() is None
    check_books(watch.desk, IDS)
    hang_up(watch.index.client, ledger, index)


def test_a_comparison_of_everything_survives_its_keeper(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted how far it came; the next keeper goes on there."""
    monkeypatch.setattr("services.ledger.repair.SLICE", 2)
    monkeypatch.setattr("services.ledger.repair.WHOLE_PER_SWEEP", 2)
    watch.index.client.flushall()
    assert watch.sweep().compared.requeued == 2
    assert watch.mark() == "0/6"
    reports = [watch.another_keeper().sweep() for _ in range(4)]
    assert sum(report.compared.requeued for report in reports) == 4
    watch.work()
    watch.sweep(2)
    assert watch.mark() is None
    check_books(watch.desk, IDS)
