"""The table of docs/models.md: every family of embeddings on SciFact and STS-B, its speed, size and memory.

``make models-table`` trains what can be trained on SciFact's own documents (texts alone, no judgements), loads each
model through the product's registry in a process of its own, and writes the table between the page's markers.
Search is exact: products of vectors in numpy, one vector per document (title, blank, text), no index.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.models_page import write_page
from services.embedding.builtin import HASH, MINILM_SPEC
from services.embedding.families import FAMILIES, Setting, trainable

NOT_TRAINED = (HASH, MINILM_SPEC.name)
LIMIT_S = 1800.0
"""Of one training or one measurement."""


def run_child(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs one job in a process of its own, on whose memory nothing else lies; its lines of figures."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.models_child"],
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "true"},
    )
    if done.returncode:
        sys.exit(f"{job} ended with status {done.returncode}; its messages stand above")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def figures(name: str, texts: int | None, settings: Mapping[str, Setting]) -> list[dict[str, Any]]:
    """Figures of a family that is trained here, or of a model that is there: one or more rows of the table."""
    if name in NOT_TRAINED:
        return run_child({"do": "measure", "model": name, "label": name, "texts": texts})
    with tempfile.TemporaryDirectory(prefix="nearfield-models-") as folder:
        trained = run_child({"do": "train", "family": name, "folder": folder, "texts": texts, "settings": settings})
        rows = run_child({"do": "measure", "model": folder, "label": name, "texts": texts})
    return [{**row, "train_s": trained[0]["train_s"]} for row in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints a line of JSON per row, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = (*NOT_TRAINED, *trainable())
    parser.add_argument("--only", action="append", choices=names, help="Measure these alone; the page stays.")
    parser.add_argument("--texts", type=int, help="Take only so many documents; the page stays.")
    parser.add_argument("--minutes", type=float, default=2.0, help="Most that rnn and elmo are trained.")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for name in given.only or names:
        settings: dict[str, Setting] = {"minutes": given.minutes} if name in ("rnn", "elmo") else {}
        for row in figures(name, given.texts, settings):
            print(json.dumps(row), flush=True)
            rows.append(row)
    if given.only or given.texts:
        return
    unmeasured = [family for each, family in FAMILIES.items() if each not in {row["family"] for row in rows}]
    write_page(Path(__file__).parents[1] / "docs" / "models.md", rows, unmeasured)


if __name__ == "__main__":
    main()
