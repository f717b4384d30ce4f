"""A child that hangs is ended soon; one that is slow, or kept waiting by the machine, is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.ingest.sandbox import watching
from services.ingest.sandbox.limits import SandboxLimits
from services.ingest.sandbox.messages import Task
from services.ingest.sandbox.sandbox import Sandbox
from services.ingest.sandbox.watching import LOOKS_ASLEEP, Activity, Watch, activity_below, cpu_allowance
from services.settings import load_settings
from tests import poison
from tests.processes import wait_until
from tests.unit.ingest.sandbox import slow_readers
from tests.unit.ingest.sandbox.tools import descendants, failure, read

SOME = (7, 8)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with the product's limits."""
    made = Sandbox(tmp_path_factory.mktemp("watched"), SandboxLimits(), f"{poison.setting()},{slow_readers.setting()}")
    yield made
    made.close()


@pytest.fixture
def product(one: Sandbox) -> Sandbox:
    """The same, up and idle, whatever limits it had in another test."""
    one.limits = SandboxLimits()
    read(one, "good")
    return one


@pytest.fixture
def short_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second of sleep is enough, so that two show what ten would."""
    monkeypatch.setattr(watching, "LOOKS_ASLEEP", 3)


def test_a_child_that_sleeps_for_good_is_ended_long_before_the_limit_of_silence(product: Sandbox) -> None:
    began = time.monotonic()
    error = failure(product, "sleep")
    took_s = time.monotonic() - began
    assert (error.code, error.again) == ("extraction-timeout", False)
    assert "stood still, waiting for something that will never come" in error.message
    assert (LOOKS_ASLEEP - 1) * watching.LOOK_S <= took_s < SandboxLimits().silence_s - 3
    assert descendants(product.server_pid) == []
    assert read(product, "good", b"next").text == "next?"


def test_a_child_that_loops_is_ended_by_its_processor_time(product: Sandbox) -> None:
    product.limits = replace(product.limits, silence_cpu_s=1.0, silence_s=60.0)
    error = failure(product, "loop")
    assert (error.code, error.again) == ("extraction-timeout", False)
    assert "seconds of processor time without getting any further" in error.message
    assert "NEARFIELD_EXTRACT_SILENCE_S" in error.message
    assert descendants(product.server_pid) == []
    assert read(product, "good", b"next").text == "next?"


@pytest.mark.usefixtures("short_sleep")
@pytest.mark.parametrize(("kind", "text"), [("compute", "computed"), ("wait", "waited"), ("poll", "polled")])
def test_a_slow_reader_that_gets_on_is_left_alone(product: Sandbox, kind: str, text: str) -> None:
    """Over both limits in sum: 2 s of processor time with 1 s allowed, 2 s of sleep with 1 s allowed."""
    product.limits = replace(product.limits, silence_cpu_s=1.0)
    assert read(product, kind).text == text


@pytest.mark.usefixtures("short_sleep")
def test_a_child_that_somebody_stopped_does_not_sleep(product: Sandbox) -> None:
    product.limits = replace(product.limits, silence_s=3.0)

    def stop() -> None:
        (child,) = wait_until(lambda: descendants(product.server_pid), "a child is at work", pause_s=0.02)
        os.kill(child, signal.SIGSTOP)

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert "no progress for 3 seconds" in failure(product, "sleep").message
    stopper.join()


@pytest.mark.parametrize("states", ["R", "D", "T", "SR", "SD", ""])
def test_a_child_that_waits_for_the_machine_does_not_sleep(states: str) -> None:
    watch = Watch(0, 5.0)
    assert {watch.judge(Activity(SOME, 1.0, frozenset(states))) for _ in range(5 * LOOKS_ASLEEP)} == {""}


def test_sleep_counts_only_in_a_row_and_without_any_processor_time() -> None:
    asleep, awake = Activity(SOME, 1.0, frozenset("S")), Activity(SOME, 1.0, frozenset("R"))
    watch = Watch(0, 5.0)
    assert [watch.judge(asleep) for _ in range(LOOKS_ASLEEP - 1)] == [""] * (LOOKS_ASLEEP - 1)
    assert watch.judge(awake) == ""
    assert [watch.judge(asleep) for _ in range(LOOKS_ASLEEP)] == [""] * (LOOKS_ASLEEP - 1) + ["asleep"]
    turning = Watch(0, 5.0)
    assert not any(turning.judge(replace(asleep, cpu_s=1 + look * 1e-6)) for look in range(5 * LOOKS_ASLEEP))
    told = Watch(0, 5.0)
    for _ in range(5):
        assert not any(told.judge(asleep) for _ in range(LOOKS_ASLEEP - 1))
        told.heard()


def test_processor_time_counts_from_the_last_sign_of_progress() -> None:
    watch = Watch(0, 5.0)
    busy = frozenset("R")
    assert [watch.judge(Activity(SOME, cpu_s, busy)) for cpu_s in (1.0, 6.0)] == ["", ""]
    watch.heard()
    assert [watch.judge(Activity(SOME, cpu_s, busy)) for cpu_s in (6.5, 11.5, 11.6)] == ["", "", "looping"]


def test_the_allowance_grows_with_the_document_and_the_limit_of_silence() -> None:
    def allowed(length: int, limits: SandboxLimits) -> float:
        return cpu_allowance(Task("extract", "text/plain", "a.txt", 0, length, limits))

    usual = SandboxLimits.of(load_settings({}))
    patient = SandboxLimits.of(load_settings({"NEARFIELD_EXTRACT_SILENCE_S": "30"}))
    assert [allowed(length, usual) for length in (0, 2_000_000, 100_000_000)] == [5.0, 13.0, 60.0]
    assert allowed(0, patient) == 10.0


def test_a_look_shows_every_process_and_thread() -> None:
    code = """
        import os, threading, time
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(60)
            threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()
            print("on", flush=True)
            time.sleep(60)
        time.sleep(60)
    """
    program = "\n".join(line[8:] for line in code.splitlines())
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"on\n"
            seen = wait_until(lambda: _if(activity_below(parent.pid), "RS"), "one runs, the others sleep")
            assert len(seen.pids) == 2
            wait_until(lambda: activity_below(parent.pid).cpu_s > seen.cpu_s + 0.2, "processor time is taken")
            assert all("R" in activity_below(parent.pid).states for _ in range(50)), "by a thread beside a sleeping one"
            os.kill(seen.pids[0], signal.SIGSTOP)
            wait_until(lambda: _if(activity_below(parent.pid), "TS"), "one is stopped")
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
    assert activity_below(parent.pid) == Activity()


def _if(seen: Activity, states: str) -> Activity | None:
    return seen if seen.states == frozenset(states) else None
