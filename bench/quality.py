"""Search quality on SciFact, through the running product: one JSON object per chunking, and an exit status.

``make quality`` starts an instance of its own in a temporary folder, sends the set's documents through API, worker and
Redis twice (whole documents, then chunks), and compares nDCG@10 with what is expected of all-MiniLM-L6-v2.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.evaldata import evaluation_folder

START_LIMIT_S = 300.0
STOP_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Expected:
    """A way of chunking and the nDCG@10 it must reach on SciFact."""

    chunking: str
    least: float
    most: float


# Whole documents: the published figure 0.645, give or take 0.003. Chunks: no worse than that allows.
EXPECTED = (Expected("none", 0.642, 0.648), Expected("default", 0.642, 1.0))


@contextmanager
def running_instance() -> Iterator[str]:
    """An instance with empty data, gone afterwards; yields its URL once it answers searches.

    Raises:
        SystemExit: it did not start; the end of what it said is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="nearfield-quality-") as folder:
        log = Path(folder) / "up.log"
        command = [sys.executable, "-m", "cli.main", "up", "--data-dir", f"{folder}/data", "--port", "0", "--no-demo"]
        with log.open("wb") as output:
            process = subprocess.Popen([*command, "--json"], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _wait_ready(process, log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that ``nearfield up --json`` names in its event "ready"."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "ready":
                return str(event["url"])
        time.sleep(0.2)
    sys.exit(f"nearfield up did not become ready; it said:\n{log.read_text(encoding='utf-8')[-4000:]}")


def evaluate(url: str, data: Path, chunking: str) -> dict[str, Any]:
    """What ``nearfield eval --json`` reports for one way of chunking.

    Raises:
        SystemExit: the command failed; it has said why on stderr.
    """
    command = [sys.executable, "-m", "cli.main", "eval", "--data", str(data), "--collection-per-run", "--k", "10"]
    done = subprocess.run(
        [*command, "--chunking", chunking, "--json"],
        env={**os.environ, "NEARFIELD_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"nearfield eval --chunking {chunking} failed with status {done.returncode}\n{done.stdout[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> int:
    """Prints a report per chunking; returns 0 when both reach what is expected."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder in BEIR layout; else SciFact where the tests look for it")
    data = parser.parse_args().data
    if data is None:
        try:
            data = evaluation_folder("scifact")
        except pytest.skip.Exception as reason:
            sys.exit(str(reason))
    reached = True
    with running_instance() as url:
        for expected in EXPECTED:
            report = evaluate(url, data, expected.chunking)
            ok = expected.least <= round(report["ndcg@10"], 4) <= expected.most
            reached = reached and ok
            wanted = {"least": expected.least, "most": expected.most, "ok": ok}
            print(json.dumps({"chunking": expected.chunking, **report, "expected": wanted}), flush=True)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
