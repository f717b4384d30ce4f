"""What bodies may come in: each by its kind, all together by bytes and disk; the spool of a form; slots."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from services.admission.policy import Gauge, Resource, Shortage, Standing
from services.errors import Overloaded, StorageFull, TooLarge
from services.settings import Settings
from web.incoming import ABANDONED_S, Sweeper, incoming_folder, sweep
from web.intake import SMALL_BYTES, Intake
from web.slots import UploadSlots
from web.spool import FormSpool

MIB = 1024 * 1024
JSON, FORM, LINES = "application/json", "multipart/form-data; boundary=x", "application/x-ndjson"


def settings(**more: int) -> Settings:
    limits = {"max_body_bytes": 2 * MIB, "max_upload_bytes": 10 * MIB, "max_bulk_bytes": 50 * MIB}
    return Settings(**{**limits, "spool_bytes": 12 * MIB, "disk_free_min_mb": 0, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "limit"), [(JSON, 2), ("", 2), (FORM, 10), (LINES, 50), ("Application/X-NDJSON", 50)])
def test_each_kind_has_its_own_limit(kind: str, limit: int) -> None:
    intake = Intake(settings())
    intake.enter(kind, limit * MIB).leave()
    with pytest.raises(TooLarge, match="NEARFIELD_MAX_"):
        intake.enter(kind, limit * MIB + 1)
    assert intake.bytes == 0


def test_all_together_are_bounded_and_one_alone_may_be_longer() -> None:
    intake = Intake(settings())
    first = intake.enter(LINES, 40 * MIB)
    with pytest.raises(Overloaded) as refused:
        intake.enter(FORM, 2 * MIB)
    assert refused.value.retry_after_s
    assert refused.value.code == "too-many-uploads"
    small = intake.enter(JSON, SMALL_BYTES)  # a search must get through
    first.leave()
    first.leave()
    assert intake.bytes == SMALL_BYTES
    small.leave()
    intake.enter(FORM, 2 * MIB).leave()
    assert intake.bytes == 0


def test_a_length_that_was_not_declared_is_counted_as_it_comes() -> None:
    intake = Intake(settings())
    entry = intake.enter(JSON, None)
    for _ in range(32):
        entry.grow(64 * 1024)
    assert intake.bytes == 2 * MIB
    with pytest.raises(TooLarge):
        entry.grow(1)
    entry.leave()
    assert intake.bytes == 0


def test_a_body_that_the_disk_has_no_room_for_is_refused_before_it_comes() -> None:
    free = [100 * MIB]
    intake = Intake(settings(disk_free_min_mb=80), free=lambda: free[0])
    first = intake.enter(FORM, 5 * MIB)  # lies there up to three times: 15 MiB
    with pytest.raises(StorageFull):
        intake.enter(FORM, 2 * MIB)
    free[0] -= 5 * MIB
    first.grow(5 * MIB)  # what has come is in the disk's own figure now, and is not counted twice
    intake.enter(LINES, 2 * MIB).leave()
    first.leave()
    free[0] = 10 * MIB
    intake.enter(JSON, 1000).leave()


def test_a_shortage_refuses_large_bodies_at_their_head() -> None:
    standing = Standing((Shortage(Gauge(Resource.INDEX_MEMORY, 2, "full")),))
    intake = Intake(settings(), standing=lambda: standing)
    for length in (SMALL_BYTES + 1, None):
        with pytest.raises(StorageFull, match="no room for more"):
            intake.enter(FORM, length)
    intake.enter(JSON, 500).leave()


def test_the_parts_of_a_form_are_files_in_one_file() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    spool = FormSpool()
    bodies = [os.urandom(size) for size in (0, 1, 100_000, 3)] * 100
    parts = []
    for body in bodies:
        part = spool.part()
        for start in range(0, len(body), 7777):
            part.write(body[start : start + 7777])
        part.seek(0)
        parts.append(io.BufferedReader(part))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    assert [part.read() for part in parts] == bodies
    third = parts[2]
    assert third.seek(-10, io.SEEK_END) == 99_990
    assert third.read(100) == bodies[2][-10:]
    assert third.read() == b""
    spool.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_slots_are_held_waited_for_and_refused() -> None:
    slots = UploadSlots(2, threads=24, wait_s=0.05)
    first, second = slots.take(), slots.take()
    with pytest.raises(Overloaded) as refused:
        slots.take()
    assert refused.value.retry_after_s
    first()
    first()  # twice gives back once
    third = slots.take()
    with pytest.raises(Overloaded):
        slots.take()
    second()
    third()
    assert slots.taken == 0


def test_a_waiter_gets_the_slot_and_too_many_waiters_none() -> None:
    slots = UploadSlots(1, threads=24, wait_s=30)
    give_back = slots.take()
    got = []

    def wait() -> None:
        with slots.held():
            got.append(slots.taken)

    waiters = [threading.Thread(target=wait) for _ in range(slots.most_waiting)]
    for waiter in waiters:
        waiter.start()
    while slots._waiting < slots.most_waiting:
        pass
    with pytest.raises(Overloaded):
        slots.take()
    give_back()
    for waiter in waiters:
        waiter.join(30)
    assert got == [1] * slots.most_waiting


def test_few_threads_leave_room_for_searches() -> None:
    slots = UploadSlots(64, threads=6)
    assert slots.slots + slots.most_waiting < 6


def test_abandoned_files_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    folder = incoming_folder(tmp_path)
    old, young = folder / "old", folder / "young"
    for path in (old, young):
        path.write_bytes(b"x")
    (folder / "a folder").mkdir()
    now = young.stat().st_mtime
    os.utime(old, (now - ABANDONED_S - 1, now - ABANDONED_S - 1))
    Sweeper(folder)()
    assert old.exists()  # it was swept at the start, a moment ago
    assert sweep(folder, now=now) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a folder", "young"]
