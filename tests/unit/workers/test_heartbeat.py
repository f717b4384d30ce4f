from __future__ import annotations

import json
import os
from pathlib import Path

from cli.up.heartbeat import parse_beat
from tests.processes import wait_until
from workers.heartbeat import Heartbeat


def read(path: Path) -> dict[str, object]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def test_the_file_tells_idle_from_busy_and_counts_steps(tmp_path: Path) -> None:
    path = tmp_path / "run" / "worker.heartbeat"
    heartbeat = Heartbeat(path, period_s=0.02)
    heartbeat.start()
    first = read(path)
    assert (first["pid"], first["busy"], first["counter"]) == (os.getpid(), False, 0)
    with heartbeat.working():
        wait_until(lambda: read(path)["busy"], "busy is written")
        counter = read(path)["counter"]
        time = read(path)["time"]
        wait_until(lambda: read(path)["time"] != time, "the thread beats on")
        assert read(path)["counter"] == counter, "beating is no progress"
        heartbeat.progress()
        wait_until(lambda: read(path)["counter"] != counter, "progress is written")
    wait_until(lambda: not read(path)["busy"], "idle again")
    heartbeat.close()
    assert not list(path.parent.iterdir())


def test_the_supervisor_reads_what_is_written(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path / "beat", period_s=60)
    with heartbeat.working():
        heartbeat.progress()
        heartbeat.start()
        beat = parse_beat((tmp_path / "beat").read_bytes())
    assert (beat.counter, beat.busy) == (2, True)
    heartbeat.close()


def test_a_folder_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run" / "beat"
    heartbeat = Heartbeat(path, period_s=0.01)
    heartbeat.start()
    path.unlink()
    path.parent.rmdir()
    path.parent.mkdir()
    wait_until(path.exists, "the thread goes on")
    heartbeat.close()


def test_without_a_path_steps_are_counted_all_the_same() -> None:
    heartbeat = Heartbeat(None)
    heartbeat.start()
    with heartbeat.working():
        heartbeat.progress()
    heartbeat.close()
