"""From ``nearfield up`` to the first semantic result on the page: on an empty data folder, then on one with data.

``python -m bench.startup`` prints one JSON object per line. "first" loads the demo while the clock runs and must stay
within 40 s; "again" (``--again`` times, then their median) starts on the data that is there and must stay within 15 s.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from cli.client import ApiClient, unfinished
from services.demo.load import COLLECTION
from services.demo.marker import read_marker
from services.demo.questions import QUESTIONS
from services.errors import NearfieldError

LIMIT_S = 600.0
POLL_S = 0.05
FIRST_AT_MOST_S, AGAIN_AT_MOST_S = 40.0, 15.0


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--again", type=int, default=3, help="how often to start on the data that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nearfield-startup-") as folder:
        first = start(Path(folder), loaded=True)
        report("first", first, FIRST_AT_MOST_S)
        again = []
        for _ in range(options.again):
            again.append(start(Path(folder), loaded=False))
            report("again", again[-1], AGAIN_AT_MOST_S)
        if again:
            median = {name: statistics.median(run[name] for run in again) for name in again[0]}
            report("again, median", median, AGAIN_AT_MOST_S)


def report(run: str, seconds: dict[str, float], at_most_s: float) -> None:
    """Prints a line; ``ratio`` is the time to the first result over the time allowed."""
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    ratio = round(seconds["result_s"] / at_most_s, 2)
    print(json.dumps({"bench": "startup", "run": run, "ratio": ratio, **rounded, "at_most_s": at_most_s}), flush=True)


def start(folder: Path, *, loaded: bool) -> dict[str, float]:
    """Starts the product, waits for the first result on the page, and stops it.

    Args:
        loaded: stay until the whole demo is searchable, so that the next start finds it all.

    Returns:
        seconds from the command to the listening port, to the first result, and (``loaded``) to the last document.
    """
    command = [sys.executable, "-m", "cli.main", "up", "--data-dir", str(folder / "data"), "--port", "0", "--json"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True)
    try:
        url = listening_url(process)
        seconds = {"listening_s": time.monotonic() - began}
        with ApiClient(url, patience_s=30) as api:
            wait_for_result(api)
            seconds["result_s"] = time.monotonic() - began
            if loaded:
                wait_for_the_rest(api, folder / "data" / "demo.json")
                seconds["demo_loaded_s"] = time.monotonic() - began
        return seconds
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def listening_url(process: subprocess.Popen[str]) -> str:
    """The URL of the event "listening".

    Raises:
        SystemExit: the process ended first.
    """
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "listening":
            return str(event["url"])
    sys.exit("nearfield up ended before it listened")


def wait_for_result(api: ApiClient) -> None:
    """Asks the first example question until its best hit stands on the search page."""
    query = QUESTIONS[0].text
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            hits = api.search(COLLECTION, query, limit=10)["hits"]
            if hits and html.escape(hits[0]["title"]) in api.page(f"/c/{COLLECTION}?q={quote(query)}"):
                return
        except NearfieldError:
            pass  # the demo's collection is not there yet, or the model is still being loaded
        time.sleep(POLL_S)
    sys.exit(f"no result within {LIMIT_S:.0f} s")


def wait_for_the_rest(api: ApiClient, marker: Path) -> None:
    """Waits until the whole demo is sent and nothing of it is unfinished."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        collection = api.collection(COLLECTION)
        if read_marker(marker).settled and collection and not unfinished(collection):
            return
        time.sleep(0.5)


if __name__ == "__main__":
    main()
