"""Log rotation, the undertaker's book-keeping, the port file and the screen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli.up.child import Child, ChildSpec
from cli.up.logs import rotate
from cli.up.probe import answers_ready, read_port
from cli.up.screen import Screen
from cli.up.supervisor import exit_words
from cli.up.undertaker import groups_left, signal_all


def test_a_log_over_its_limit_is_emptied_in_place_for_a_writer_that_appends(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab") as writer:
        writer.write(b"x" * 100)
        writer.flush()
        assert not rotate(log, limit_bytes=100)
        writer.write(b"y")
        writer.flush()
        assert rotate(log, limit_bytes=100)
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert (tmp_path / "web.log.1").read_bytes() == b"x" * 100 + b"y"
    assert not rotate(tmp_path / "missing.log")


def test_the_undertaker_knows_the_groups_that_were_not_taken_back() -> None:
    assert groups_left(["+12\n", "+13\n", "-12\n", "+14\n", "garbage\n", "+1\n", "+0\n", "+-5\n", "-99\n"]) == {13, 14}
    assert groups_left([]) == set()
    assert signal_all({2**22 + 7}, 0) == set()


def test_only_a_whole_port_is_a_port(tmp_path: Path) -> None:
    path = tmp_path / "port"
    assert read_port(path) is None
    for content, expected in ((b"", None), (b"80x", None), (b"\xff", None), (b"8080\n", 8080)):
        path.write_bytes(content)
        assert read_port(path) == expected
    assert answers_ready("http://127.0.0.1:9", timeout_s=0.2) is False


def test_an_exit_status_in_words() -> None:
    assert exit_words(3) == "exit status 3"
    assert exit_words(-9) == "killed by SIGKILL"
    assert exit_words(-63) == "killed by signal 63"


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(ChildSpec(name="web", command=(sys.executable,)), tmp_path / "web.log")


def test_the_last_words_are_those_of_the_last_start(child: Child) -> None:
    assert child.tail() == ""
    child.log.write_text("--- web started then\nold\n--- web started now\n" + "\n".join(f"line {n}" for n in range(50)))
    assert child.tail(lines=2) == "line 48\nline 49"
    child.log.write_text("--- web started then\nold\n--- web started now\n")
    assert child.tail() == ""


def test_a_child_that_keeps_dying_does_not_fill_the_screen(child: Child, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False)
    for _ in range(10):
        screen.died(child, -11, 5.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert "killed by SIGSEGV" in lines[0]
    assert str(child.log) in lines[0]


def test_events_are_json_lines(child: Child, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=True)
    screen.hello("1", Path("/d"), Path("/d/logs"))
    screen.listening("http://x", demo=True)
    screen.public("0.0.0.0")
    screen.stuck(child, "no progress")
    screen.gave_up(child, 1)
    screen.stopped(["web"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [
        "starting", "listening", "public-address", "stuck", "gave-up", "stopped",
    ]  # fmt: skip


def test_a_public_address_is_warned_of_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(as_json=False).public("0.0.0.0")
    assert "WARNING" in capsys.readouterr().out


def test_a_closed_terminal_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdout", Gone())
    Screen(as_json=False).stopping()
