"""The commands against one running instance, with the hash model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docx
import pytest

from cli.client import ApiClient, unfinished
from services.demo.load import COLLECTION
from services.demo.marker import DemoState, read_marker
from tests.integration.up_tools import UpProcess, run_cli
from tests.processes import wait_until
from tests.unit.ingest.extract.office_samples import lines_of, pdf_of


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    run = UpProcess(tmp_path_factory.mktemp("up") / "data", "--port", "0")
    try:
        run.ready()
        yield run
    finally:
        run.finish()


@pytest.fixture(scope="module")
def url(up: UpProcess) -> str:
    return up.ready()


def ask(url: str, *arguments: str, code: int = 0) -> Any:
    found, output, stderr = run_cli(url, *arguments)
    assert found == code, (stderr, output)
    return output


def said(url: str, *arguments: str) -> str:
    """What a command prints for people."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(
        command, env={**os.environ, "NEARFIELD_URL": url}, capture_output=True, text=True, check=True, timeout=240
    ).stdout


def test_the_first_start_loads_the_demo_and_the_words_of_a_docstring_find_it(up: UpProcess, url: str) -> None:
    marker = up.data / "demo.json"
    wait_until(lambda: read_marker(marker).state is DemoState.DONE, f"the demo is sent\n{up.everything()}")
    with ApiClient(url) as client:
        wait_until(lambda: not unfinished(client.collection(COLLECTION) or {}), "the demo is embedded")
        collection = client.collection(COLLECTION)
    assert collection is not None
    assert collection["searchable"] == read_marker(marker).accepted > 2500
    assert collection["documents"].get("failed", 0) == 0
    answer = ask(url, "search", "compress data in one shot and return the compressed string", "-c", COLLECTION)
    (hit,) = [hit for hit in answer["hits"][:3] if hit["title"] == "gzip.compress"]
    assert hit["metadata"] == {"module": "gzip", "kind": "function"}
    only = ask(url, "search", "compress data", "-c", COLLECTION, "--filter", '{"field": "kind", "eq": "module"}')
    assert {hit["metadata"]["kind"] for hit in only["hits"]} == {"module"}
    assert up.events("died") == []


def test_a_folder_is_added_once_and_again_and_updated(url: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    (notes / "deep").mkdir(parents=True)
    for number in range(40):
        (notes / "deep" / f"{number}.md").write_text(f"# Note {number}\n\nAbout subject number {number}.")
    (notes / "photo.png").write_bytes(b"\x89PNG\0\0")
    first = ask(url, "add", str(notes), "--collection", "notes", "--wait")
    assert (first["created"], first["accepted"], first["unchanged"], first["ready"]) == (True, 40, 0, 40)
    (skipped,) = first["skipped"]
    assert (Path(skipped["path"]).name, skipped["refused"]) == ("photo.png", False)
    assert skipped["reason"] == "this file cannot be read: its content is binary"
    again = ask(url, "add", str(notes), "--collection", "notes", "--wait")
    assert (again["created"], again["accepted"], again["unchanged"]) == (False, 0, 40)
    (notes / "deep" / "7.md").write_text("# Note 7\n\nNow about elephants and nothing else.")
    changed = ask(url, "add", str(notes), "--collection", "notes", "--wait")
    assert (changed["accepted"], changed["unchanged"]) == (1, 39)
    answer = ask(url, "search", "elephants and nothing else", "-c", "notes", "--limit", "1")
    assert answer["hits"][0]["source"] == "notes/deep/7.md"
    status = ask(url, "status")
    (collection,) = [found for found in status["collections"] if found["name"] == "notes"]
    assert collection["searchable"] == 40


def test_a_file_the_server_refuses_is_named_and_the_others_get_in(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(5):
        (folder / f"good{number}.txt").write_text(f"a good text, number {number}")
    (folder / "bad.pdf").write_bytes(b"\x89PNG\r\n\x1a\n, an image under a false name")
    report = ask(url, "add", str(folder), "--collection", "mixed", "--wait", code=1)
    assert (report["accepted"], report["ready"]) == (5, 5)
    (refused,) = [entry for entry in report["skipped"] if entry["refused"]]
    assert refused["path"].endswith("bad.pdf")
    assert "PNG" in refused["reason"]


def test_pdf_word_and_zip_files_are_added_and_found(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "office"
    folder.mkdir()
    (folder / "plan.pdf").write_bytes(pdf_of([lines_of(["The turbines of the plant are inspected in May."])]))
    letter = docx.Document()
    letter.add_paragraph("The orchard is sold to the neighbours.")
    letter.save(str(folder / "letter.docx"))
    with zipfile.ZipFile(folder / "notes.zip", "w") as archive:
        archive.writestr("inside/sea.txt", "Lighthouses guide ships along the coast.")
    report = ask(url, "add", str(folder), "--collection", "office", "--wait")
    assert (report["accepted"], report["skipped"], report["failed"]) == (3, [], 0)
    for question, source in (
        ("The turbines of the plant are inspected in May.", "plan.pdf"),
        ("The orchard is sold to the neighbours.", "letter.docx"),
        ("Lighthouses guide ships along the coast.", "sea.txt"),
    ):
        answer = ask(url, "search", question, "-c", "office", "-n", "1")
        assert answer["hits"][0]["source"].endswith(source)


def test_a_table_becomes_a_document_per_row(url: str, tmp_path: Path) -> None:
    rows = tmp_path / "animals.ndjson"
    rows.write_text("".join(json.dumps({"id": f"a{n}", "text": f"animal number {n}"}) + "\n" for n in range(120)))
    report = ask(url, "add", str(rows), "--collection", "animals", "--wait")
    assert report["accepted"] == 1
    assert report["ready"] >= 120
    answer = ask(url, "search", "animal number 77", "-c", "animals", "-n", "3")
    assert answer["hits"][0]["id"].endswith("a77")


def test_several_collections_need_a_choice_and_an_unknown_one_is_named(url: str) -> None:
    with ApiClient(url) as client:
        names = {collection["name"] for collection in client.collections()}
        for name in {"one", "two"} - names:
            client.create_collection({"name": name})
    code, _, stderr = run_cli(url, "search", "anything")
    assert code == 2
    assert "--collection" in stderr
    assert "one" in stderr
    code, _, stderr = run_cli(url, "search", "anything", "--collection", "onne")
    assert code == 1
    assert json.loads(stderr)["error"]["code"] == "unknown-collection"


def test_nothing_found_is_no_failure(url: str) -> None:
    with ApiClient(url) as client:
        if client.collection("empty") is None:
            client.create_collection({"name": "empty"})
    assert ask(url, "search", "anything", "--collection", "empty")["hits"] == []


def test_people_are_shown_text(url: str, tmp_path: Path) -> None:
    (tmp_path / "sly.txt").write_text("a sly text \x1b[2J that would clear the screen")
    environment = {**os.environ, "NEARFIELD_URL": url}
    command = [sys.executable, "-m", "cli.main"]
    added = subprocess.run(
        [*command, "add", str(tmp_path / "sly.txt"), "-c", "sly", "--wait"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert added.stdout == "sly (created): 1 accepted, 0 unchanged; 1 ready, 0 failed\n"
    shown = subprocess.run(
        [*command, "search", "a sly text", "-c", "sly"], env=environment, capture_output=True, text=True, check=True
    )
    assert "sly.txt" in shown.stdout
    assert "score 0." in shown.stdout
    assert "\x1b[2J" not in shown.stdout
    status = subprocess.run([*command, "status"], env=environment, capture_output=True, text=True, check=True)
    assert "COLLECTION" in status.stdout
    assert "sly" in status.stdout


def test_an_evaluation_runs_through_the_product_and_cleans_up(url: str, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    words = ["apple", "bridge", "candle", "desert", "engine", "forest", "guitar", "harbour"]
    documents = [{"_id": f"d{n}", "title": word, "text": f"all about the {word}"} for n, word in enumerate(words)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in documents))
    queries = [{"_id": f"q{n}", "text": f"{word}"} for n, word in enumerate(words)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    qrels = "".join(f"q{n}\td{n}\t1\n" for n in range(len(words)))
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    for chunking in ("default", "none"):
        figures = ask(url, "eval", "--data", str(tmp_path), "--collection-per-run", "--chunking", chunking, "--k", "10")
        assert figures["ndcg@10"] == figures["mrr@10"] == figures["recall@100"] == 1.0
        assert (figures["documents"], figures["queries"], figures["chunking"]) == (8, 8, chunking)
        assert figures["latency_p95_ms"] > 0
    with ApiClient(url) as client:
        assert not [found for found in client.collections() if found["name"].startswith("eval-")]
    cut = ask(url, "eval", "--data", str(tmp_path), "--limit-docs", "3", "-c", "kept")
    assert (cut["documents"], cut["queries"]) == (3, 3)
    code, _, stderr = run_cli(url, "eval", "--data", str(tmp_path), "-c", "kept", "--chunking", "none")
    assert code == 1
    assert json.loads(stderr)["error"]["code"] == "other-chunking"


def test_a_demo_loaded_by_hand_doubles_nothing_and_respects_other_collections(url: str) -> None:
    with ApiClient(url) as client:
        if client.collection("taken") is None:
            client.create_collection({"name": "taken", "fields": {"year": "number"}})
    code, _, stderr = run_cli(url, "demo", "--collection", "taken")
    assert code == 1
    assert json.loads(stderr)["error"]["code"] == "name-taken"
    report = ask(url, "demo")
    assert report["state"] == "done"
    assert report["unchanged"] == report["sent"] > 2500


def test_the_doctor_finds_everything_well(up: UpProcess, url: str) -> None:
    port = url.rpartition(":")[2]
    settings = {
        "NEARFIELD_URL": url,
        "NEARFIELD_MODEL": "hash",
        "NEARFIELD_BIND": f"127.0.0.1:{port}",
        "NEARFIELD_DATA_DIR": str(up.data),
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor", "--json"],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert {name for name, check in checks.items() if check["health"] == "failed"} == set(), report
    assert done.returncode == 0
    assert set(checks) >= {
        "python",
        "c library",
        "packages",
        "memory",
        "disk",
        "settings",
        "redis",
        "data folder",
        "model",
    }
    assert "Query Engine" in checks["redis"]["detail"]
    assert str(up.process.pid) in checks["data folder"]["detail"]
    assert "ready" in checks["instance"]["detail"]
    assert "running instance" in checks["address"]["detail"]


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("99")
    settings = {
        "NEARFIELD_URL": "http://127.0.0.1:9",
        "NEARFIELD_MODEL": "./no/such/folder",
        "NEARFIELD_DATA_DIR": str(tmp_path),
        "NEARFIELD_BIND": "203.0.113.7:80",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor", "--json"],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["model"]["health"] == checks["data folder"]["health"] == "failed"
    assert all(check["advice"] for check in checks.values() if check["health"] in ("failed", "warning"))


def test_failures_are_shown_written_down_and_tried_again(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "fine.txt").write_text("A fine text.")
    for number in range(3):
        (folder / f"empty{number}.html").write_text("<html><body><script>x()</script></body></html>")
    added = ask(url, "add", str(folder), "--collection", "mixed", "--wait", code=1)
    assert (added["ready"], added["failed"]) == (1, 3)
    shown = ask(url, "failures", "-c", "mixed", "--match", "EMPTY1")
    assert (shown["failed"], [entry["count"] for entry in shown["codes"]]) == (3, [3])
    assert [Path(document["source"]).name for document in shown["documents"]] == ["empty1.html"]
    written = tmp_path / "failed.ndjson"
    assert ask(url, "failures", "-c", "mixed", "--export", str(written))["documents"] == 3
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    assert {line["code"] for line in lines} == {entry["code"] for entry in shown["codes"]}
    _, _, refused = run_cli(url, "failures", "-c", "mixed", "--export", str(written))
    assert "--replace" in refused
    assert ask(
        url, "failures", "-c", "mixed", "--code", shown["codes"][0]["code"], "--export", str(written), "--replace"
    )
    code, _, unknown = run_cli(url, "failures", "-c", "mixed", "--code", "no-such-thing")
    assert (code, shown["codes"][0]["code"] in unknown) == (2, True)
    summed = {entry["collection"]: entry["failed"] for entry in ask(url, "failures")["collections"]}
    assert (summed["mixed"], len(summed) > 1) == (3, True)
    again = ask(url, "failures", "-c", "mixed", "--match", "empty1", "--retry")
    assert again["count"] == 1
    assert again["job_id"] in [job["id"] for job in ask(url, "jobs")]


def test_a_job_is_cancelled_and_resumed(url: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.ndjson"
    rows.write_text("".join(json.dumps({"id": f"row {n}", "text": f"text {n}"}) + "\n" for n in range(3000)))
    (job_id,) = ask(url, "add", str(rows), "--collection", "rows")["jobs"]
    ask(url, "jobs", job_id, "--cancel")
    ask(url, "jobs", job_id, "--resume")
    wait_until(lambda: ask(url, "jobs", job_id)["finished_at"], "the resumed job is done")
    assert ask(url, "jobs", job_id)["counts"]["ready"] == 3000
    assert said(url, "jobs", job_id, "--resume") == "There is nothing to resume.\n"
    assert said(url, "jobs", job_id, "--cancel") == "Nothing was left to cancel.\n"
