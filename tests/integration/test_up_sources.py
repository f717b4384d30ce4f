"""Sources from the command line: `nearfield up --watch`, `nearfield source`, `nearfield add https://...`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.up_tools import UpProcess, run_cli
from tests.processes import wait_until
from tests.sites import Page, Site, running_site


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site() as made:
        yield made


@pytest.fixture
def up(tmp_path: Path, site: Site) -> Iterator[UpProcess]:
    watched = tmp_path / "my notes"
    watched.mkdir()
    (watched / "tea.txt").write_text("the quick brown fox drinks tea")
    settings = {
        "NEARFIELD_SOURCE_SCAN_S": "1",
        "NEARFIELD_FETCH_ALLOW_CIDRS": "127.0.0.1/32",
        "NEARFIELD_FETCH_PORTS": str(site.port),
        "NEARFIELD_FETCH_PAUSE_MS": "0",
    }
    made = UpProcess(tmp_path / "data", "--port", "0", "--no-demo", "--watch", str(watched), settings=settings)
    yield made
    made.finish()


def found(url: str) -> set[str]:
    code, answer, _ = run_cli(url, "search", "a quick fox", "--collection", "documents")
    return {hit["source"] for hit in answer["hits"]} if code == 0 else set()


def test_a_watched_folder_and_pages_from_the_command_line(up: UpProcess, site: Site, tmp_path: Path) -> None:
    url = up.ready()
    wait_until(lambda: found(url) == {"my-notes/tea.txt"}, f"the watched folder\n{up.everything()}")
    (tmp_path / "my notes" / "coffee.txt").write_text("the quick brown fox drinks coffee")
    wait_until(lambda: "my-notes/coffee.txt" in found(url), "the new file")

    site.page("/fox", "<html><title>Fox</title><body><p>The quick brown fox of a page.</p></body></html>")
    code, report, stderr = run_cli(url, "add", f"{site.url}/fox", "--wait")
    assert (code, report["accepted"], report["ready"]) == (0, 1, 1), stderr
    assert "127.0.0.1/fox" in found(url)
    code, report, _ = run_cli(url, "add", f"{site.url}/fox")
    assert (code, report["accepted"], report["unchanged"]) == (0, 0, 1)
    site.pages["/gone"] = Page(b"", 404)
    code, report, _ = run_cli(url, "add", f"{site.url}/gone")
    assert code == 1
    assert "no such page" in report["skipped"][0]["reason"]
    code, report, _ = run_cli(url, "add", "http://127.0.0.1:1/")
    assert code == 1

    code, listed, _ = run_cli(url, "source", "list")
    assert code == 0
    assert {item["kind"] for item in listed} == {"folder", "url"}
    failed = next(item for item in listed if item["location"].endswith("/gone"))
    code, shown, _ = run_cli(url, "source", "show", failed["name"])
    assert (code, [failure["item"] for failure in shown["failures"]]) == (0, [f"{site.url}/gone"])
    assert "no such page" in shown["failures"][0]["error"]
    code, again, _ = run_cli(url, "source", "add", str(tmp_path / "my notes"), "--wait")
    assert (code, again["created"], again["source"]["state"]) == (0, False, "idle")
    code, _, stderr = run_cli(url, "source", "add", "/etc")
    assert (code, "NEARFIELD_SOURCE_FOLDERS" in stderr) == (1, True)
    assert run_cli(url, "source", "add", "https://example.org/", "--every", "soon")[0] == 2
    code, synced, _ = run_cli(url, "source", "sync", "my-notes", "--wait")
    assert (code, synced["documents"], synced["counts"]["unchanged"]) == (0, 2, 2)
    code, removed, _ = run_cli(url, "source", "remove", "my-notes", "--delete-documents")
    assert (code, removed["state"]) == (0, "removing")
    wait_until(lambda: found(url) == {"127.0.0.1/fox"}, "the end of the watched folder")
    assert run_cli(url, "source", "sync", "nothing")[0] == 1
