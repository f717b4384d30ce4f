"""The containers' health check: an idle worker is well, one that stands still is ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts import health
from tests.unit.deploy.parts import ROOT

LIMIT_S = 60.0


class Patient:
    """A heartbeat file, a clock, and what was ended."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "heartbeat"
        self.now_s = 1000.0
        self.ended: list[tuple[int, int]] = []

    def beats(self, *, counter: int = 0, busy: bool = False, after_s: float = 10.0) -> bool:
        """Time passes, the process beats, and is looked at."""
        self.now_s += after_s
        fields = {"pid": 4242, "time": self.now_s, "counter": counter, "busy": busy}
        self.path.write_text(json.dumps(fields), encoding="utf-8")
        return self.look()

    def is_silent(self, after_s: float) -> bool:
        """Time passes without a beat, and the file is looked at."""
        self.now_s += after_s
        return self.look()

    def look(self) -> bool:
        return health.check_heartbeat(
            self.path, now_s=self.now_s, limit_s=LIMIT_S, end=lambda pid, number: self.ended.append((pid, number))
        )


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


def test_before_the_first_beat_it_is_not_well_but_left_alone(patient: Patient) -> None:
    assert not patient.look()
    assert not patient.is_silent(1000)
    assert patient.ended == []


def test_an_idle_worker_is_well_for_ever(patient: Patient) -> None:
    assert all(patient.beats() for _ in range(50))


def test_progress_keeps_a_busy_worker_well(patient: Patient) -> None:
    assert all(patient.beats(counter=number, busy=True, after_s=50) for number in range(20))


def test_a_busy_worker_without_progress_is_ended(patient: Patient) -> None:
    assert patient.beats(counter=7, busy=True)
    assert patient.beats(counter=7, busy=True, after_s=LIMIT_S)
    assert not patient.beats(counter=7, busy=True, after_s=1)
    assert patient.ended == [(4242, signal.SIGKILL)]


def test_work_that_begins_after_a_long_rest_gets_its_time(patient: Patient) -> None:
    assert all(patient.beats(counter=7, after_s=50) for _ in range(5))
    assert patient.beats(counter=7, busy=True, after_s=50)
    assert patient.beats(counter=7, busy=True, after_s=50)


def test_a_silent_worker_is_ended_once_and_its_traces_removed(patient: Patient) -> None:
    assert patient.beats()
    assert patient.is_silent(LIMIT_S)
    assert not patient.is_silent(1)
    assert not patient.look()
    assert len(patient.ended) == 1
    assert list(patient.path.parent.iterdir()) == []


def test_a_restarted_worker_is_judged_anew(patient: Patient) -> None:
    patient.beats(counter=7, busy=True)
    patient.beats(counter=7, busy=True, after_s=LIMIT_S + 1)
    assert patient.beats(counter=7, busy=True, after_s=30)
    assert len(patient.ended) == 1


def test_a_damaged_beat_is_not_a_reason_to_end_anything(patient: Patient) -> None:
    patient.path.write_bytes(b"{\xff half")
    assert patient.look()
    patient.path.with_name("heartbeat.seen").write_text("{", encoding="utf-8")
    assert patient.beats()
    assert patient.ended == []


@pytest.fixture
def server() -> Iterator[str]:
    """Answers 200 on /readyz and 503 elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_the_programs_exit_status_is_the_answer(server: str, tmp_path: Path) -> None:
    """Run as the containers run it: a plain file, beside an installed product."""
    program = tmp_path / "health.py"
    program.write_bytes((ROOT / "scripts" / "health.py").read_bytes())
    beat = tmp_path / "beat"
    beat.write_text('{"pid": 1, "time": 1, "counter": 1, "busy": false}', encoding="utf-8")
    asked = {
        ("http", f"{server}/readyz"): 0,
        ("http", f"{server}/other"): 1,
        ("http", "http://127.0.0.1:1/"): 1,
        ("heartbeat", str(beat)): 0,
        ("heartbeat", str(tmp_path / "none")): 1,
        ("other",): 2,
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments, status in asked.items():
        done = subprocess.run([sys.executable, program, *arguments], env=environment, capture_output=True, check=False)
        assert done.returncode == status, (arguments, done.stderr)
