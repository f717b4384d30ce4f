"""``nearfield up`` with everything it starts: first start, second start, kill -9 of each part, and the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.up.proc import ProcessId, is_running
from tests.conftest import RedisPair
from tests.integration.up_tools import UpProcess, run_cli
from tests.processes import wait_until

PARTS = {"redis-ledger", "redis-index", "web", "worker", "keeper", "collector"}
Start = Callable[..., UpProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[UpProcess] = []

    def started(*arguments: str, data: str = "data", settings: dict[str, str] | None = None) -> UpProcess:
        runs.append(UpProcess(tmp_path / data, *arguments, settings=settings))
        return runs[-1]

    yield started
    for run in runs:
        run.finish()


def add(url: str, tmp_path: Path, name: str) -> None:
    note = tmp_path / name
    note.write_text(f"the quick brown fox of {name} jumps over the lazy dog")
    code, report, stderr = run_cli(url, "add", str(note), "--wait")
    assert (code, report and report["ready"]) == (0, 1), stderr


def found(url: str) -> set[str]:
    code, answer, stderr = run_cli(url, "search", "a quick fox jumps", "--collection", "documents")
    assert code == 0, stderr
    return {hit["source"] for hit in answer["hits"]}


def test_data_survives_a_stop_and_a_kill_9_and_neither_leaves_an_orphan(start: Start, tmp_path: Path) -> None:
    up = start("--port", "0", "--no-demo")
    url = up.ready()
    assert set(up.children()) == PARTS
    assert stat.S_IMODE((up.data / "secret").stat().st_mode) == 0o600
    password = (up.data / "secret").read_text()
    assert password.strip() not in (Path("/proc") / str(up.child("redis-index").pid) / "cmdline").read_text()
    add(url, tmp_path, "one.txt")
    assert up.stop() == 0
    assert up.events("stopped")[-1]["killed"] == []
    assert up.orphans() == []
    assert not (up.data / "run.json").exists()
    assert {log.name for log in (up.data / "logs").iterdir()} == {f"{name}.log" for name in PARTS}

    again = start("--port", "0", "--no-demo")
    again.output.write_text("")
    url = again.ready()
    assert found(url) == {"one.txt"}
    add(url, tmp_path, "two.txt")
    again.kill()
    wait_until(lambda: not again.orphans(), f"orphans: {again.orphans()}")
    assert (again.data / "run.json").exists()

    third = start("--port", "0", "--no-demo")
    third.output.write_text("")
    url = third.ready()
    assert found(url) == {"one.txt", "two.txt"}
    assert (third.data / "secret").read_text() == password


def test_whatever_is_killed_comes_back_on_the_same_port(start: Start, tmp_path: Path) -> None:
    up = start("--port", "0", "--no-demo")
    url = up.ready()
    add(url, tmp_path, "one.txt")
    for name in sorted(PARTS):
        victim = up.child(name)
        os.kill(victim.pid, signal.SIGKILL)

        def replaced(name: str = name, victim: ProcessId = victim) -> bool:
            child = up.children().get(name)
            return child is not None and child != victim and is_running(child)

        wait_until(replaced, f"another {name}")
    assert {event["part"] for event in up.events("died")} == PARTS
    assert all(Path(event["log"]).exists() for event in up.events("died"))
    wait_until(lambda: run_cli(url, "status")[0] == 0, f"ready again\n{up.everything()}")
    add(url, tmp_path, "two.txt")
    assert found(url) == {"one.txt", "two.txt"}


def test_a_second_start_on_the_same_folder_is_told_where_the_first_is(start: Start) -> None:
    first = start("--port", "0", "--no-demo")
    url = first.wait_for("listening")["url"]
    second = start("--port", "0", "--no-demo")
    assert second.process.wait(60) == 1
    error = json.loads(second.output.read_text().splitlines()[-1])["error"]
    assert error["code"] == "already-running"
    assert url in error["message"]
    assert str(first.process.pid) in error["message"]
    assert first.process.poll() is None


def test_a_port_in_use_is_told_before_anything_is_started(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up = start("--port", str(port), "--no-demo")
        assert up.process.wait(60) == 1
    error = json.loads(up.output.read_text().splitlines()[-1])["error"]
    assert error["code"] == "port-in-use"
    assert str(port) in error["message"]
    assert "--port 0" in error["message"]
    assert list((up.data / "logs").iterdir()) == []


def test_ctrl_c_during_the_start_ends_all_of_it(start: Start) -> None:
    up = start("--port", "0", "--no-demo")
    wait_until(lambda: {"redis-ledger", "redis-index", "web"} <= set(up.children()), "the first children")
    assert up.stop(signal.SIGINT) == 0
    assert up.orphans() == []


def test_given_servers_are_used_and_none_is_embedded(start: Start, redis_pair: RedisPair, tmp_path: Path) -> None:
    settings = {"NEARFIELD_LEDGER_URL": redis_pair.ledger.url, "NEARFIELD_INDEX_URL": redis_pair.index.url}
    up = start("--port", "0", "--no-demo", settings=settings)
    url = up.ready()
    assert set(up.children()) == {"web", "worker", "keeper", "collector"}
    add(url, tmp_path, "one.txt")
    assert found(url) == {"one.txt"}


@pytest.mark.parametrize("which", ["same", "away"])
def test_given_servers_that_cannot_be_used_are_told(start: Start, redis_pair: RedisPair, which: str) -> None:
    other = redis_pair.ledger.url if which == "same" else "redis://127.0.0.1:9/0"
    settings = {"NEARFIELD_LEDGER_URL": redis_pair.ledger.url, "NEARFIELD_INDEX_URL": other}
    up = start("--port", "0", "--no-demo", settings=settings)
    assert up.process.wait(60) == 1
    error = json.loads(up.output.read_text().splitlines()[-1])["error"]
    assert "NEARFIELD_INDEX_URL" in error["message"]
    assert not up.events("listening")


def test_a_model_that_cannot_be_loaded_does_not_end_the_instance(start: Start, tmp_path: Path) -> None:
    up = start("--port", "0", "--no-demo", settings={"NEARFIELD_MODEL": str(tmp_path / "no-such-model")})
    url = str(up.wait_for("listening")["url"])

    def told() -> bool:
        code, report, _ = run_cli(url, "status")
        return code == 1 and not report["ready"]["checks"]["model"]["ok"]

    wait_until(told, f"the status tells of the model\n{up.everything()}")
    assert up.process.poll() is None
    assert up.events("ready") == []
