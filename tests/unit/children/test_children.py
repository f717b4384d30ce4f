"""Work in a process of its own: answers, errors and every way in which it can go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.children import outside
from services.children.outside import ChildFailed, Stopped, run_child
from services.errors import InvalidInput, ModelError
from tests.processes import wait_until

CHILD = "tests.unit.children.odd_child"


def run(do: str, limit_s: float = 30, **more: Any) -> dict[str, Any]:
    what = more.pop("what", None)
    return run_child(CHILD, {"do": do, "what": what}, limit_s=limit_s, **more)


def test_an_answer_comes_back_and_what_libraries_print_does_not() -> None:
    heard: list[int] = []
    found = run("answer", what={"ä": [1, None, "x" * 200_000]}, on_progress=lambda told: heard.append(told["number"]))
    assert found["given"] == {"ä": [1, None, "x" * 200_000]}
    assert heard == [0, 1, 2]
    assert found["niceness"] == min(os.nice(0) + 5, 19), "others come first"


def test_errors_keep_their_kind_and_code() -> None:
    with pytest.raises(InvalidInput, match="never do") as refused:
        run("refuse")
    assert refused.value.code == "bad-thing"
    with pytest.raises(ModelError) as broken:
        run("model")
    assert broken.value.code == "model-broken"
    with pytest.raises(ChildFailed, match="RuntimeError: something else"):
        run("error")


def test_a_crash_is_told_with_its_last_words() -> None:
    with pytest.raises(ChildFailed, match="signal 11: last words") as caught:
        run("die")
    assert (caught.value.code, caught.value.again) == ("crashed", True)
    with pytest.raises(ChildFailed):
        run_child("tests.no_such_module", {}, limit_s=30)


def test_limits_of_time() -> None:
    with pytest.raises(ChildFailed) as slow:
        run("sleep", 0.5)
    assert (slow.value.code, slow.value.again) == ("too-slow", False)
    with pytest.raises(ChildFailed) as silent:
        run("sleep", silence_s=0.5)
    assert silent.value.code == "stuck"


def test_a_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "memory_limit", lambda: 400 * 1024 * 1024)
    with pytest.raises(Exception, match="400 MiB") as caught:
        run("eat")
    assert getattr(caught.value, "code", "") == "out-of-memory"


def test_it_is_ended_when_it_is_told_to() -> None:
    started = time.monotonic()
    with pytest.raises(Stopped):
        run("sleep", go_on=lambda: time.monotonic() - started < 1)


def test_a_silent_child_ends_with_its_parent() -> None:
    code = f"from services.children.outside import run_child\nrun_child({CHILD!r}, {{'do': 'sleep'}}, limit_s=60)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        child = int(wait_until(lambda: children.read_text().split(), "the child is there")[0])
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, child) > os.nice(0), "it is at work")
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child has gone too", 10)
