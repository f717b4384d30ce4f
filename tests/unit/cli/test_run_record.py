from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.up import run_record
from cli.up.folder import DataFolder
from cli.up.proc import ProcessId, identify, is_running
from cli.up.run_record import ChildRecord, RunRecord, end_leftovers, read_run, take_lock, try_lock, write_run
from services.errors import Conflict


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    found.prepare()
    return found


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def record_of(process: ProcessId, children: tuple[ChildRecord, ...] = (), url: str = "") -> RunRecord:
    return RunRecord(process.pid, process.start_ticks, "2026-01-01T00:00:00Z", url, "/nowhere/nf-x", children)


def test_records_survive_the_file(folder: DataFolder) -> None:
    record = record_of(ProcessId(1, 2), (ChildRecord("web", 3, 4, "/log"),), "http://127.0.0.1:1")
    write_run(folder.run_file, record)
    assert read_run(folder.run_file) == record
    assert json.loads(folder.run_file.read_text())["children"][0]["name"] == "web"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"children": 1}', '{"children": [{"pid": 1}]}', "\ud83d"])
def test_a_damaged_record_is_no_record(folder: DataFolder, content: str) -> None:
    folder.run_file.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert read_run(folder.run_file) is None
    os.close(take_lock(folder, lambda: None))


def test_a_pid_that_was_given_to_another_process_is_not_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    assert is_running(identity)
    assert not is_running(ProcessId(identity.pid, identity.start_ticks - 1))
    sleeper.kill()
    sleeper.wait()
    assert not is_running(identity)


def test_a_second_start_names_the_first(folder: DataFolder) -> None:
    own = identify(os.getpid())
    assert own is not None
    lock = take_lock(folder, lambda: None)
    write_run(folder.run_file, record_of(own, url="http://127.0.0.1:8123"))
    waits: list[int] = []
    with pytest.raises(Conflict) as caught:
        take_lock(folder, lambda: waits.append(1))
    os.close(lock)
    assert waits == []  # told at once: waiting is for the children of a dead one
    assert caught.value.code == "already-running"
    assert "http://127.0.0.1:8123" in caught.value.message
    assert f"kill {os.getpid()}" in caught.value.message


def test_a_lock_without_a_record_is_waited_for_and_then_told(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_record, "PATIENCE_S", 0.3)
    lock = try_lock(folder.lock_file)
    assert lock is not None
    waits: list[int] = []
    with pytest.raises(Conflict, match="another process holds the lock"):
        take_lock(folder, lambda: waits.append(1))
    os.close(lock)
    assert waits == [1]


def test_the_record_of_a_crash_is_cleared_with_its_sockets(folder: DataFolder, tmp_path: Path) -> None:
    runtime = tmp_path / "nf-old"
    runtime.mkdir()
    (runtime / "ledger.sock").touch()
    write_run(folder.run_file, RunRecord(2**22 + 5, 1, "", "", str(runtime), ()))
    os.close(take_lock(folder, lambda: None))
    assert not runtime.exists()
    assert not folder.run_file.exists()


def test_a_runtime_folder_that_is_not_ours_stays(folder: DataFolder, tmp_path: Path) -> None:
    for name, content in (("nf-keep", "thesis.txt"), ("keep", "ledger.sock")):
        (tmp_path / name).mkdir()
        (tmp_path / name / content).touch()
        write_run(folder.run_file, RunRecord(2**22 + 5, 1, "", "", str(tmp_path / name), ()))
        os.close(take_lock(folder, lambda: None))
        assert (tmp_path / name / content).exists()


def test_leftovers_are_killed_only_if_they_are_who_they_were(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper.pid)
    assert identity is not None
    impostor = ChildRecord("web", identity.pid, identity.start_ticks + 1, "")
    assert end_leftovers([impostor]) == []
    assert sleeper.poll() is None
    assert end_leftovers([ChildRecord("web", identity.pid, identity.start_ticks, "")]) == ["web"]
    assert sleeper.wait(30) == -signal.SIGKILL


def test_the_lock_is_held_for_as_long_as_a_child_has_it(folder: DataFolder) -> None:
    lock = try_lock(folder.lock_file)
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[lock]
    )
    os.close(lock)
    assert try_lock(folder.lock_file) is None
    assert child.stdin is not None
    child.stdin.close()
    child.wait(30)
    again = try_lock(folder.lock_file)
    assert again is not None
    os.close(again)
