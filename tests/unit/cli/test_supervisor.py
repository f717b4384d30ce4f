"""The supervisor over real processes: stand-in children that die, hang, refuse to end and leave grandchildren."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.up.proc import identify
from cli.up.run_record import read_run
from tests.processes import wait_until

WAIT = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + WAIT
PARENT_OF_STUBBORN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {WAIT}"


class Run:
    """A supervisor process, the events it printed so far, and the processes it recorded."""

    def __init__(self, root: Path, children: list[dict[str, Any]]) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        wanted = root.parent / "children.json"
        wanted.write_text(json.dumps(children))
        self.output = root.parent / f"{root.name}.events"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.cli.supervised", str(root), str(wanted)],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def events(self, kind: str) -> list[dict[str, Any]]:
        lines = [line for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        def seen() -> list[dict[str, Any]]:
            assert self.process.poll() is None or len(self.events(kind)) >= count, self.output.read_text()
            found = self.events(kind)
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = wait_until(seen, f"{count} {kind}: {self.output.read_text()}")
        return found

    def pids(self) -> dict[str, int]:
        record = read_run(self.root / "run.json")
        return {child.name: child.pid for child in record.children} if record else {}

    def log(self, name: str) -> str:
        path = self.root / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []
    groups: set[int] = set()

    def started(*children: dict[str, Any], root: str = "data") -> Run:
        run = Run(tmp_path / root, list(children))
        runs.append(run)
        run.wait_for("started")
        groups.update(run.pids().values())
        return run

    yield started
    for run in runs:
        if run.process.poll() is None:
            run.stop()
        groups.update(run.pids().values())
    for group in groups:
        if identify(group) is not None:
            os.killpg(group, signal.SIGKILL)


def members_of_session(session: int) -> list[int]:
    """Every process of a session: a child is started in one of its own, and grandchildren stay in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and identify(int(entry.name)) is not None:
            try:
                if os.getsid(int(entry.name)) == session:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def gone(pids: list[int]) -> bool:
    return not any(identify(pid) for pid in pids)


def undertaker_of(run: Run) -> int | None:
    """The pid of a supervisor's undertaker."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if b"undertaker.py" in (entry / "cmdline").read_bytes():
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    if int(parent) == run.process.pid and identify(int(entry.name)):
                        return int(entry.name)
            except OSError:
                continue
    return None


def test_a_dead_child_comes_back_with_growing_pauses_and_its_log_is_kept(start: Start) -> None:
    run = start({"name": "dying", "code": "print('last words', flush=True); raise SystemExit(3)"})
    deaths = run.wait_for("died", 4)
    assert [death["pause_s"] for death in deaths[:4]] == [0.25, 0.5, 1.0, 2.0]
    assert {death["status"] for death in deaths} == {3}
    assert run.log("dying").count("last words") >= 4
    assert run.stop() == 0


def test_a_killed_child_is_started_again(start: Start) -> None:
    run = start({"name": "web", "code": WAIT})
    first = run.pids()["web"]
    os.kill(first, signal.SIGKILL)
    assert run.wait_for("died")[0]["status"] == -signal.SIGKILL
    wait_until(lambda: run.pids().get("web", first) != first, "another pid")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_work_before_stores(start: Start, tmp_path: Path, number: int) -> None:
    ends = tmp_path / "ends"
    code = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(ends)!r}, 'a').write(NAME + ' '), sys.exit()))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    run = start(
        {"name": "redis", "tier": "store", "code": "NAME='redis'\n" + code},
        {"name": "web", "code": "NAME='web'\n" + code},
    )
    wait_until(lambda: "ready" in run.log("web") and "ready" in run.log("redis"), "children ready")
    assert run.stop(number) == 0
    assert run.events("stopped") == [{"event": "stopped", "killed": []}]
    assert ends.read_text().split() == ["web", "redis"]


def test_a_child_that_will_not_end_is_killed_and_named(start: Start) -> None:
    run = start({"name": "deaf", "code": STUBBORN}, {"name": "good", "code": WAIT})
    wait_until(lambda: "deaf" in run.log("deaf").splitlines(), "SIGTERM ignored")
    pids = list(run.pids().values())
    assert run.stop() == 0
    assert run.events("stopped")[0]["killed"] == ["deaf"]
    assert gone(pids)


def test_a_second_stop_signal_does_not_wait(start: Start) -> None:
    code = (
        "import signal, sys, time\n"
        "def slowly(*_):\n    print('asked', flush=True); time.sleep(4); sys.exit()\n"
        "signal.signal(signal.SIGTERM, slowly)\nprint('ready', flush=True)\ntime.sleep(600)"
    )
    patient, hasty = start({"name": "slow", "code": code}), start({"name": "slow", "code": code}, root="hasty")
    for run in (patient, hasty):
        wait_until(lambda run=run: "ready" in run.log("slow"), "the child is ready")
        run.process.send_signal(signal.SIGINT)
        wait_until(lambda run=run: "asked" in run.log("slow"), "the child was asked to end")
    hasty.process.send_signal(signal.SIGINT)
    assert hasty.process.wait(60) == 0
    assert patient.process.wait(60) == 0
    assert hasty.events("stopped")[0]["killed"] == ["slow"]
    assert patient.events("stopped")[0]["killed"] == []


def test_kill_9_of_the_supervisor_leaves_no_child_and_no_grandchild(start: Start) -> None:
    run = start(
        {"name": "plain", "code": WAIT},
        {"name": "deaf-store", "tier": "store", "code": STUBBORN, "death_signal": signal.SIGTERM},
        {"name": "parent", "code": PARENT_OF_STUBBORN},
    )
    wait_until(lambda: "deaf" in run.log("parent").splitlines(), "a grandchild that ignores SIGTERM")
    wait_until(lambda: "deaf" in run.log("deaf-store").splitlines(), "a child that ignores SIGTERM")
    family = [pid for child in run.pids().values() for pid in members_of_session(child)]
    assert len(family) == 4
    run.process.kill()
    run.process.wait(30)
    wait_until(lambda: gone(family), f"orphans of {family}")


def test_direct_children_die_with_the_supervisor_even_if_nobody_buries_them(start: Start) -> None:
    run = start({"name": "plain", "code": WAIT}, {"name": "store", "tier": "store", "code": WAIT, "death_signal": 15})
    children = list(run.pids().values())
    undertaker = wait_until(lambda: undertaker_of(run), "an undertaker")
    os.kill(undertaker, signal.SIGSTOP)
    try:
        run.process.kill()
        run.process.wait(30)
        wait_until(lambda: gone(children), "the kernel's signal to the children")
    finally:
        os.kill(undertaker, signal.SIGKILL)


def test_a_grandchild_dies_with_its_parent(start: Start) -> None:
    run = start({"name": "parent", "code": PARENT_OF_STUBBORN})
    wait_until(lambda: "deaf" in run.log("parent").splitlines(), "a grandchild")
    parent = run.pids()["parent"]
    family = members_of_session(parent)
    assert len(family) == 2
    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: gone(family), "the grandchild gone")


def test_a_second_start_waits_for_children_that_are_still_ending(start: Start) -> None:
    first = start({"name": "deaf-store", "tier": "store", "code": STUBBORN, "death_signal": signal.SIGTERM})
    wait_until(lambda: "deaf" in first.log("deaf-store").splitlines(), "SIGTERM ignored")
    old = first.pids()["deaf-store"]
    first.process.kill()
    first.process.wait(30)
    second = start({"name": "deaf-store", "tier": "store", "code": WAIT})
    assert second.events("waiting") == [{"event": "waiting"}]
    assert identify(old) is None
    assert second.stop() == 0


def test_a_oneshot_that_is_done_stays_done_and_one_that_fails_is_given_up(start: Start, tmp_path: Path) -> None:
    done = tmp_path / "done"
    run = start(
        {"name": "good", "code": f"open({str(done)!r}, 'a').write('x')", "oneshot": True},
        {"name": "other", "code": WAIT},
    )
    wait_until(lambda: done.exists() and "good" not in run.pids(), "it is done")
    os.kill(run.pids()["other"], signal.SIGKILL)
    run.wait_for("died")
    wait_until(lambda: "other" in run.pids(), "the other one is back")
    assert done.read_text() == "x"
    assert [event["name"] for event in run.events("died")] == ["other"]


def test_a_child_that_stands_still_is_killed_and_started_again(start: Start, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    code = f"import pathlib\npathlib.Path({str(beat)!r}).write_text('{{}}')\nprint('beat', flush=True)\n{WAIT}"
    run = start({"name": "worker", "code": code, "heartbeat": str(beat), "still_limit_s": 1.0})
    stuck = run.wait_for("stuck")
    assert "unchanged" in stuck[0]["reason"]
    assert run.wait_for("died")[0]["status"] == -signal.SIGKILL
    wait_until(lambda: run.log("worker").count("beat") >= 2, "started again")


def test_an_essential_child_that_keeps_failing_ends_the_start_with_its_log(start: Start) -> None:
    run = start({"name": "web", "code": "raise SystemExit('no such model: foo')", "essential": True})
    failed = run.wait_for("failed")[0]["message"]
    assert "web ended 3 times" in failed
    assert "no such model: foo" in failed
    assert str(run.root / "logs" / "web.log") in failed
    assert run.process.wait(30) == 0


def test_a_dead_undertaker_is_replaced(start: Start) -> None:
    run = start({"name": "deaf-store", "tier": "store", "code": STUBBORN, "death_signal": signal.SIGTERM})
    wait_until(lambda: "deaf" in run.log("deaf-store").splitlines(), "SIGTERM ignored")
    child = run.pids()["deaf-store"]

    first = wait_until(lambda: undertaker_of(run), "an undertaker")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: undertaker_of(run) not in (None, first), "another undertaker")
    run.process.kill()
    run.process.wait(30)
    wait_until(lambda: gone([child]), "the deaf child gone")
