"""The commands of docs/operations.md on one instance: audit, rebuild, and what to do when a Redis refuses its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.client import ApiClient
from tests.integration.up_tools import UpProcess
from tests.processes import wait_until

DOCUMENTS = 120


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def ups(data: Path) -> Iterator[list[UpProcess]]:
    started: list[UpProcess] = []
    yield started
    for up in started:
        up.finish()


def start(ups: list[UpProcess], data: Path) -> UpProcess:
    data.with_name(data.name + ".events").unlink(missing_ok=True)
    up = UpProcess(data, "--port", "0", "--no-demo", settings={"NEARFIELD_KEEPER_INTERVAL_MS": "300"})
    ups.append(up)
    return up


def nearfield(data: Path, *arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--data-dir", str(data), "--json"],
        env={**os.environ, "NEARFIELD_MODEL": "hash"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout if done.stdout.strip() else done.stderr)


def send(url: str, collection: str, *numbers: int) -> None:
    body = json.dumps([{"id": f"d{number}", "text": f"words about subject {number}"} for number in numbers]).encode()
    request = urllib.request.Request(f"{url}/api/v1/collections/{collection}/documents", data=body, method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202


def searchable(url: str, name: str = "docs") -> int:
    with ApiClient(url) as client:
        found = client.collection(name)
    return int(found["searchable"]) if found else -1


def search(url: str, query: str, name: str = "docs") -> tuple[int, list[str], bool]:
    """Status, ids and whether the answer is complete."""
    address = f"{url}/api/v1/collections/{name}/search?q={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(address) as answer:
            found = json.load(answer)
            return answer.status, [hit["id"] for hit in found["hits"]], bool(found["complete"])
    except urllib.error.HTTPError as error:
        with error:
            return error.code, [], False


def filled(ups: list[UpProcess], data: Path) -> tuple[UpProcess, str]:
    up = start(ups, data)
    url = up.ready()
    with ApiClient(url) as client:
        client.create_collection({"name": "docs"})
        client.create_collection({"name": "other"})
    send(url, "docs", *range(DOCUMENTS))
    send(url, "other", 1)
    wait_until(lambda: searchable(url) == DOCUMENTS and searchable(url, "other") == 1, "everything is indexed")
    return up, url


def corrupt(data: Path, role: str) -> None:
    """Writes over the middle of a server's log, as a bad disk would."""
    (log,) = (data / "redis" / role / "appendonlydir").glob("*.incr.aof")
    with log.open("r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(b"\xff" * 400)


def test_a_collection_is_made_again_while_documents_arrive_and_others_are_searched(
    ups: list[UpProcess], data: Path
) -> None:
    up, url = filled(ups, data)
    assert nearfield(data, "audit")["clean"]
    nearfield(data, "rebuild", "docs", "--no-wait")
    send(url, "docs", *range(DOCUMENTS, DOCUMENTS + 20))

    def whole() -> bool:
        status, ids, complete = search(url, "words about subject 7")
        assert not (status == 200 and complete and not ids), "an empty answer that claims to be complete"
        assert search(url, "words about subject 1", "other") == (200, ["d1"], True)
        return status == 200 and complete and searchable(url) == DOCUMENTS + 20

    wait_until(whole, f"the index is whole again\n{up.everything()}")
    report = nearfield(data, "audit")
    assert report["clean"], report["findings"]
    assert {figures["name"]: figures["searchable"] for figures in report["collections"]} == {
        "docs": DOCUMENTS + 20,
        "other": 1,
    }
    assert nearfield(data, "rebuild", "docs")["rebuilt"] == [
        {"collection": "docs", "searchable": DOCUMENTS + 20, "done": True}
    ]


def test_a_ledger_that_cannot_be_read_is_named_and_made_again(ups: list[UpProcess], data: Path) -> None:
    """F6: the ledger. Nothing is embedded again, as the index is still there."""
    up, _ = filled(ups, data)
    assert nearfield(data, "rebuild", "--ledger", code=1)["error"]["code"] == "already-running"
    up.stop()
    corrupt(data, "ledger")
    doctor = nearfield(data, "doctor", code=1)
    (finding,) = [check for check in doctor["checks"] if check["name"] == "ledger files"]
    assert finding["health"] == "failed"
    assert "nearfield rebuild --ledger" in finding["advice"]
    refused = start(ups, data)
    assert refused.process.wait(60) == 1
    assert "ledger-damaged" in refused.everything()
    assert f"nearfield rebuild --ledger --data-dir {data}" in refused.everything()
    assert nearfield(data, "audit", code=2)["error"]["code"] == "ledger-damaged"
    report = nearfield(data, "rebuild", "--ledger")
    assert (report["ready"], report["pending"], report["collections"]) == (DOCUMENTS + 1, 0, 2)
    assert Path(report["moved_aside"], "appendonlydir").is_dir()
    up = start(ups, data)
    url = up.ready()
    assert searchable(url) == DOCUMENTS
    assert search(url, "words about subject 7")[1][0] == "d7"
    send(url, "docs", 5000)
    wait_until(lambda: searchable(url) == DOCUMENTS + 1, f"a new document gets in\n{up.everything()}")
    assert nearfield(data, "audit")["clean"]


def test_an_index_that_cannot_be_read_is_named_and_made_again(ups: list[UpProcess], data: Path) -> None:
    """F6: the index."""
    up, _ = filled(ups, data)
    up.stop()
    corrupt(data, "index")
    refused = start(ups, data)
    assert refused.process.wait(90) == 1
    assert f"nearfield rebuild --index --data-dir {data}" in refused.everything()
    assert nearfield(data, "rebuild", "--index")["moved_aside"].endswith("index.damaged-1")
    up = start(ups, data)
    url = str(up.wait_for("listening")["url"])
    wait_until(lambda: searchable(url) == DOCUMENTS, f"everything is indexed again\n{up.everything()}")
    wait_until(lambda: search(url, "words about subject 7")[:2][1][:1] == ["d7"], "and found")
    assert nearfield(data, "audit")["clean"]
