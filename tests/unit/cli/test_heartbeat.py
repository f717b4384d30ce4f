from __future__ import annotations

import json

import pytest

from cli.up.heartbeat import FIRST_BEAT_LIMIT_S, STILL_LIMIT_S, HeartbeatWatch


def beat(time_s: float, counter: int, busy: bool = False) -> bytes:
    return json.dumps({"pid": 7, "time": time_s, "counter": counter, "busy": busy}).encode()


def test_a_beating_idle_child_is_never_stuck() -> None:
    watch = HeartbeatWatch(0.0)
    assert all(watch.look(beat(now, counter=3), now) is None for now in range(0, 1000, 5))


def test_a_file_that_stands_still_means_stuck() -> None:
    watch = HeartbeatWatch(0.0)
    watch.look(beat(0, 1), 0.0)
    assert watch.look(beat(0, 1), STILL_LIMIT_S) is None
    reason = watch.look(beat(0, 1), STILL_LIMIT_S + 1)
    assert reason is not None
    assert "unchanged for 61 s" in reason


def test_a_busy_child_that_beats_without_progress_is_stuck() -> None:
    watch = HeartbeatWatch(0.0)
    answers = [watch.look(beat(now, counter=5, busy=True), float(now)) for now in range(0, 70)]
    assert answers[60] is None
    assert answers[61] is not None
    assert "no progress for 61 s" in str(answers[61])


def test_progress_or_a_rest_starts_the_count_again() -> None:
    watch = HeartbeatWatch(0.0)
    for now in range(0, 50):
        assert watch.look(beat(now, counter=1, busy=True), float(now)) is None
    assert watch.look(beat(50, counter=2, busy=True), 50.0) is None
    assert watch.look(beat(105, counter=2, busy=True), 105.0) is None
    assert watch.look(beat(106, counter=2, busy=False), 106.0) is None
    assert watch.look(beat(160, counter=2, busy=True), 160.0) is None  # work began again: at 160, not at 50
    assert watch.look(beat(221, counter=2, busy=True), 221.0) is not None


def test_a_child_that_becomes_busy_late_is_judged_from_then() -> None:
    watch = HeartbeatWatch(0.0)
    for now in range(0, 300):
        watch.look(beat(now, counter=0, busy=False), float(now))
    for now in range(300, 360):
        assert watch.look(beat(now, counter=0, busy=True), float(now)) is None


def test_the_first_beat_has_more_time() -> None:
    watch = HeartbeatWatch(1000.0)
    assert watch.look(None, 1000.0 + FIRST_BEAT_LIMIT_S) is None
    assert not watch.beating
    assert "no heartbeat" in str(watch.look(None, 1001.0 + FIRST_BEAT_LIMIT_S))


def test_a_vanished_file_counts_as_standing_still() -> None:
    watch = HeartbeatWatch(0.0)
    watch.look(beat(0, 1), 0.0)
    assert watch.look(None, STILL_LIMIT_S) is None
    assert watch.look(None, STILL_LIMIT_S + 1) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"counter": "x"}', b'{"counter": null}', b"\xff\xfe"])
def test_a_damaged_heartbeat_is_a_beat_without_progress(content: bytes) -> None:
    watch = HeartbeatWatch(0.0)
    assert watch.look(content, 0.0) is None
    assert watch.beating
    assert watch.look(content, STILL_LIMIT_S + 1) is not None
