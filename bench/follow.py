"""A folder of documents followed by the whole product: how long until all can be found, and what ten changes cost.

``python -m bench.follow [FOLDER]`` copies the folder (the PEPs of the evaluation data unless named), follows the copy
with ``nearfield up --watch``, changes ten files, removes one, and prints one JSON object per step.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.startup import listening_url
from cli.client import ApiClient, unfinished
from cli.following import list_sources
from services.settings import load_settings

COLLECTION = "documents"
CHANGED = 10
LIMIT_S = 1800.0
POLL_S = 0.2


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.follow", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder to follow; the PEPs unless named")
    parser.add_argument("--model", default="", help="embedding model (the default one unless named; hash is quick)")
    options = parser.parse_args()
    original = options.folder or _peps()
    with tempfile.TemporaryDirectory(prefix="nearfield-follow-") as place:
        copy = Path(place) / "watched"
        shutil.copytree(original, copy)
        environment = {**os.environ, "NEARFIELD_SOURCE_SCAN_S": "1"}
        if options.model:
            environment["NEARFIELD_MODEL"] = options.model
        command = [sys.executable, "-m", "cli.main", "up", "--data-dir", f"{place}/data", "--port", "0", "--no-demo"]
        command += ["--json", "--watch", str(copy)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            with ApiClient(listening_url(process), patience_s=60) as api:
                _measure(api, copy)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def _peps() -> Path:
    folder = (load_settings().eval_data or Path(__file__).resolve().parents[2] / "shared" / "data") / "peps"
    if not folder.is_dir():
        sys.exit(f"there are no PEPs at {folder}; name a folder, or set NEARFIELD_EVAL_DATA")
    return folder


def _measure(api: ApiClient, folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    began = time.monotonic()
    _wait(api, lambda source: source["counts"]["added"] > 0 and source["state"] == "idle")
    accepted_s = time.monotonic() - began
    total = _settled(api)
    _report("first", total, began, accepted_s=round(accepted_s, 2), files=len(files))

    ours = _chunk_generations(api)
    began = time.monotonic()
    texts = [path for path in files if path.suffix in (".rst", ".txt", ".md")][:CHANGED]
    for path in texts:
        with path.open("a", encoding="utf-8") as file:
            file.write("\nA sentence that was not there before.\n")
    _wait(api, lambda source: source["counts"]["changed"] >= len(texts))
    total = _settled(api)
    again = sum(1 for name, when in _chunk_generations(api).items() if ours.get(name) != when)
    _report("changed", total, began, changed_files=len(texts), documents_made_again=again)

    began = time.monotonic()
    texts[0].unlink()
    _wait(api, lambda source: source["counts"]["removed"] == 1)
    _report("removed", _settled(api), began)


def _wait(api: ApiClient, condition: Any) -> None:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        sources = list_sources(api, COLLECTION) if api.collection(COLLECTION) else []
        if sources and condition(sources[0]):
            return
        time.sleep(POLL_S)
    sys.exit(f"not within {LIMIT_S:.0f} s")


def _settled(api: ApiClient) -> dict[str, Any]:
    """The collection once nothing of it is unfinished."""
    while True:
        collection = api.collection(COLLECTION)
        if collection is not None and not unfinished(collection):
            return collection
        time.sleep(POLL_S)


def _chunk_generations(api: ApiClient) -> dict[str, str]:
    """When each document was last changed, by id."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        params: dict[str, str | int] = {"limit": 500, "cursor": cursor} if cursor else {"limit": 500}
        page = api.call("GET", f"/collections/{COLLECTION}/documents", params=params)
        found |= {item["id"]: str(item["updated_at"]) for item in page["items"]}
        cursor = page["next_cursor"] or ""
        if not cursor:
            return found


def _report(step: str, collection: dict[str, Any], began: float, **more: Any) -> None:
    line = {"bench": "follow", "step": step, "searchable": collection["searchable"]}
    failed = collection["documents"].get("failed", 0)
    print(json.dumps({**line, "failed": failed, "seconds": round(time.monotonic() - began, 2), **more}), flush=True)


if __name__ == "__main__":
    main()
