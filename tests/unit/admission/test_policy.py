"""When new work is refused and when it is taken again, from readings alone."""

from __future__ import annotations

import pytest

from services.admission.policy import RESUME_AT, Gauge, Resource, Standing, judge
from services.admission.probes import MIB, disk_gauge, memory_gauge, queue_gauge
from services.errors import Overloaded, StorageFull

OPEN = Standing()


def gauge(resource: Resource, pressure: float, place: str = "") -> Gauge:
    return Gauge(resource, pressure, "5 of 10", place)


def test_all_is_well() -> None:
    standing = judge([gauge(resource, 0.99) for resource in Resource], OPEN)
    assert standing.accepting
    assert standing.refusal() is None
    assert standing.pausing == ()


@pytest.mark.parametrize("resource", [Resource.INDEX_MEMORY, Resource.LEDGER_MEMORY, Resource.DISK])
def test_memory_and_disk_answer_storage_full(resource: Resource) -> None:
    refusal = judge([gauge(resource, 1.0)], OPEN).refusal()
    assert isinstance(refusal, StorageFull)
    assert "5 of 10" in refusal.message
    assert "NEARFIELD_" in refusal.message
    assert refusal.retry_after_s == 30


def test_a_full_queue_answers_overloaded_and_workers_go_on() -> None:
    standing = judge([gauge(Resource.QUEUE, 1.5)], OPEN)
    assert isinstance(standing.refusal(), Overloaded)
    assert standing.pausing == ()


def test_what_cannot_be_eased_by_working_stops_the_workers() -> None:
    standing = judge([gauge(resource, 2) for resource in reversed(Resource)], OPEN)
    assert [shortage.resource for shortage in standing.shortages] == list(Resource)
    assert {shortage.resource for shortage in standing.pausing} == {Resource.INDEX_MEMORY, Resource.DISK}


def test_it_stays_closed_until_the_low_mark() -> None:
    closed = judge([gauge(Resource.DISK, 1.0)], OPEN)
    between = (1 + RESUME_AT) / 2
    assert not judge([gauge(Resource.DISK, between)], closed).accepting
    assert judge([gauge(Resource.DISK, between)], OPEN).accepting
    assert judge([gauge(Resource.DISK, RESUME_AT - 0.01)], closed).accepting


def test_what_cannot_be_read_stays_as_it_was() -> None:
    closed = judge([gauge(Resource.INDEX_MEMORY, 1.2)], OPEN)
    assert not judge([], closed).accepting
    assert judge([], OPEN).accepting


def test_two_disks_are_judged_by_themselves() -> None:
    standing = judge([gauge(Resource.DISK, 0.1, "/a"), gauge(Resource.DISK, 1.1, "/b")], OPEN)
    assert "(/b)" in standing.shortages[0].sentence
    standing = judge([gauge(Resource.DISK, 1.1, "/a"), gauge(Resource.DISK, 0.1, "/b")], standing)
    assert [shortage.gauge.place for shortage in standing.shortages] == ["/a"]


@pytest.mark.parametrize(
    ("info", "limit_mb", "pressure"),
    [
        ({"used_memory": 90 * MIB, "maxmemory": 100 * MIB}, 0, 1.0),
        ({"used_memory": 95 * MIB, "mem_not_counted_for_evict": 50 * MIB, "maxmemory": 100 * MIB}, 0, 0.5),
        ({"used_memory": 45 * MIB, "maxmemory": 0, "total_system_memory": 9999 * MIB}, 100, 0.5),
        ({"used_memory": 45 * MIB, "maxmemory": 0, "total_system_memory": 100 * MIB}, 0, 0.5),
        ({"used_memory": 45 * MIB, "maxmemory": 0}, 0, 0.0),
    ],
)
def test_memory_is_told_against_the_limit_there_is(info: dict[str, int], limit_mb: int, pressure: float) -> None:
    assert memory_gauge(Resource.INDEX_MEMORY, info, limit_mb, 90).pressure == pytest.approx(pressure)


def test_disks_and_queues() -> None:
    assert disk_gauge("/a", 100 * MIB, 100 * MIB).pressure == 1
    assert disk_gauge("/a", 0, 100 * MIB).pressure > 1
    assert disk_gauge("/a", 0, 0).pressure == 0
    assert queue_gauge(5, 10).pressure == 0.5
