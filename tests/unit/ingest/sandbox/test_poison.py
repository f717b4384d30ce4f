"""Whatever a document does to its reader, the sandbox answers with a reason and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import InvalidInput, Unavailable
from services.ingest.sandbox.sandbox import Sandbox
from tests.poison import setting
from tests.processes import wait_until
from tests.unit.ingest.sandbox.tools import SHORT, descendants, failure, lives, read, sandbox, server_pid

MARK = "/tmp/nearfield-poison-was-here"


@pytest.fixture(scope="module")
def walls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """All walls up, as in the product."""
    with sandbox(tmp_path_factory.mktemp("walls")) as made:
        yield made


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Without the filter of system calls, as on a machine that has none."""
    with sandbox(tmp_path_factory.mktemp("bare"), filter_calls=False) as made:
        yield made


@pytest.mark.parametrize(
    ("kind", "code", "again"),
    [
        ("crash", "extraction-crashed", True),
        ("loop", "extraction-timeout", False),
        ("memory", "extraction-memory", False),
        ("fork", "processing-failed", False),
        ("disk", "processing-failed", False),
        ("exit", "extraction-no-result", False),
        ("sleep", "extraction-timeout", False),
        ("half", "processing-failed", False),
        ("telling", "extraction-timeout", False),
        ("garbage", "extraction-no-result", False),
        ("lie", "extraction-no-result", False),
        ("flood", "extraction-output-too-large", False),
    ],
)
def test_it_fails_with_a_reason_and_the_next_is_read(walls: Sandbox, kind: str, code: str, again: bool) -> None:
    began = time.monotonic()
    error = failure(walls, kind)
    assert (error.code, error.again) == (code, again), error.message
    assert time.monotonic() - began < 30
    assert read(walls, "good", b"fine").text == "fine?"
    assert descendants(server_pid(walls)) == [], "nothing is left behind"


def test_a_reader_that_breaks_says_where_and_never_what(walls: Sandbox) -> None:
    error = failure(walls, "half", b"a secret")
    assert "ZeroDivisionError" in error.message
    assert "break_half_way" in error.trace
    assert "secret" not in error.message + error.trace


def test_too_deep_is_told_as_such(walls: Sandbox) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(walls, "polite")
    assert caught.value.code == "nested-too-deep"


@pytest.mark.parametrize("body", [b"heading", b"page", b"page number", b"block", b"negative"])
def test_offsets_that_cannot_be_are_no_result(walls: Sandbox, body: bytes) -> None:
    assert failure(walls, "nonsense", body).code == "extraction-no-result"


def test_recursion_without_a_limit_ends_at_another(walls: Sandbox) -> None:
    """Python of some versions crashes, of others takes all its memory first."""
    assert failure(walls, "recursion").code in ("extraction-crashed", "extraction-memory", "extraction-timeout")


def test_a_child_can_do_nothing_but_read(walls: Sandbox) -> None:
    assert read(walls, "reach").text == "[] [] []"


def test_the_reach_test_sees_what_it_says(bare: Sandbox) -> None:
    """Without the filter the same deeds work, so that the test above is worth something."""
    try:
        got = read(bare, "reach").text
    finally:
        Path(MARK).unlink(missing_ok=True)
    assert "_read_file" in got
    assert "_write_file" in got
    assert "[] [0, 1, 2, 3, 4, 5, 6]" in got, "no secret in its environment, no descriptor but its own"
    assert "_kill_parent" in got


@pytest.mark.parametrize("kind", ["fork", "disk"])
def test_without_the_filter_nothing_is_left_behind_either(bare: Sandbox, kind: str) -> None:
    if kind == "fork":
        assert read(bare, kind).text == "never trusted"
    else:
        assert failure(bare, kind).code in ("processing-failed", "extraction-output-too-large")
    pid = server_pid(bare)
    assert descendants(pid) == []
    assert list(Path(f"/proc/{pid}/cwd").resolve().iterdir()) == []


def test_a_server_that_dies_over_a_document_twice_fails_it(bare: Sandbox) -> None:
    first = server_pid(bare)
    error = failure(bare, "server")
    assert (error.code, error.again) == ("extraction-crashed", True)
    assert not lives(first)
    assert read(bare, "good").text == "words?"


def test_a_server_that_died_meanwhile_costs_nobody_anything(walls: Sandbox) -> None:
    read(walls, "good")
    first = server_pid(walls)
    os.kill(first, signal.SIGKILL)
    assert read(walls, "good", b"as before").text == "as before?"
    assert server_pid(walls) != first


def test_a_server_that_is_killed_over_a_document_is_replaced(walls: Sandbox) -> None:
    read(walls, "good")
    first = server_pid(walls)

    def kill() -> None:
        wait_until(lambda: descendants(first), "a child is at work")
        os.kill(first, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert failure(walls, "sleep").code == "extraction-timeout", "the second server had its turn"
    killer.join()
    assert not lives(first)


def test_what_a_tick_raises_ends_the_child(walls: Sandbox) -> None:
    def tick() -> None:
        raise Unavailable("stop")

    with pytest.raises(Unavailable):
        walls.extract("text/x-poison-sleep", b"", name="", max_text_bytes=1, tick=tick)
    pid = server_pid(walls)
    assert descendants(pid) == []
    assert read(walls, "good").text == "words?"
    assert server_pid(walls) == pid, "the server lives on"


def test_ticks_come_while_a_child_is_silent(walls: Sandbox) -> None:
    ticks: list[float] = []
    with pytest.raises(Exception, match="no progress"):
        walls.extract(
            "text/x-poison-sleep", b"", name="", max_text_bytes=1, tick=lambda: ticks.append(time.monotonic())
        )
    assert len(ticks) >= 2


def test_nothing_outlives_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = f"""
        import os, threading, time
        from pathlib import Path
        from services.ingest.sandbox.sandbox import Sandbox
        from tests.unit.ingest.sandbox.tools import SHORT, read
        from dataclasses import replace
        made = Sandbox(Path({str(tmp_path)!r}), replace(SHORT, silence_s=60.0, wall_s=60.0, filter_calls=False),
                       {setting()!r})
        read(made, "good")
        print(made.server_pid, flush=True)
        read(made, "sleep")
    """
    worker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert worker.stdout is not None
    server = int(worker.stdout.readline())
    (child,) = wait_until(lambda: descendants(server), "a child is at work")
    worker.kill()
    worker.wait()
    worker.stdout.close()
    wait_until(lambda: not lives(server) and not lives(child), "server and child are gone", limit_s=10)
    assert list(tmp_path.iterdir()) == []


def test_nothing_outlives_a_server_that_is_killed(bare: Sandbox) -> None:
    read(bare, "good")
    server = server_pid(bare)
    reading = threading.Thread(target=lambda: failure(bare, "sleep"))
    reading.start()
    (child,) = wait_until(lambda: descendants(server), "a child is at work")
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not lives(child), "the child is gone", limit_s=10)
    reading.join()


def test_limits_are_those_of_the_settings() -> None:
    from services.ingest.sandbox.limits import SandboxLimits
    from services.settings import load_settings

    assert SandboxLimits.of(load_settings({})) == SandboxLimits()
    assert SHORT.silence_s < SandboxLimits().silence_s
