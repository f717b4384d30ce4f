"""How much of the time of a bulk ingest is spent inside the model; the rest is the product's own.

``python -m bench.ingest`` starts an instance of its own, adds short texts (paragraphs of docstrings) in requests of 500
and prints one JSON object. ``ratio`` is the time the worker spent in the model over the time from the first document
taken in hand to the last one searchable; at least 0.85 is asked. ``of_bare_module`` is the rate of the whole product
over that of the model alone, which gets all texts at once and both cores to itself.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bench.quality import running_instance
from cli.client import ApiClient
from services.demo.corpus import demo_documents
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.registry import ModelRegistry

COLLECTION = "bench"
AT_LEAST = 0.85
REQUEST_DOCUMENTS = 500
SHORTEST_CHARS, LONGEST_CHARS = 60, 600


def main() -> None:
    """Runs the ingest and prints its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    options = parser.parse_args()
    with running_instance() as url, ApiClient(url, patience_s=60) as api:
        api.create_collection({"name": COLLECTION, "model": options.model})
        add(api, [{"id": "warm", "text": "The worker loads the model before the clock starts."}])
        add(api, [{"id": str(number), "text": text} for number, text in enumerate(texts(options.documents))])
        found = api.documents(COLLECTION, state="ready", code="", match="", limit=options.documents + 1)
    product = figures([document for document in found if document["id"] != "warm"])
    bare = bare_rate(options.model, texts(options.documents))
    share = round(float(str(product["documents_per_s"])) / bare, 3)
    print(json.dumps(product | {"bare_documents_per_s": round(bare, 1), "of_bare_module": share}), flush=True)


def bare_rate(model: str, documents: list[str]) -> float:
    """Documents per second of the model alone: the better of two rounds."""
    with tempfile.TemporaryDirectory(prefix="nearfield-bench-") as folder:
        options = LoadOptions(cache_dir=Path(folder), prepared_dir=prepared_models())
        embedder = ModelRegistry(options).load(model)
        embedder.embed_documents(documents[:200])
        rounds = []
        for _ in range(2):
            began = time.perf_counter()
            embedder.embed_documents(documents)
            rounds.append(len(documents) / (time.perf_counter() - began))
    return max(rounds)


def texts(count: int) -> list[str]:
    """Paragraphs of the demo's documents.

    Raises:
        SystemExit: there are not so many.
    """
    found = list(islice(_paragraphs(), count))
    if len(found) < count:
        sys.exit(f"there are {len(found)} paragraphs; ask for at most so many")
    return found


def _paragraphs() -> Iterator[str]:
    for document in demo_documents():
        for paragraph in str(document.as_json()["text"]).split("\n\n"):
            text = " ".join(paragraph.split())
            if SHORTEST_CHARS <= len(text) <= LONGEST_CHARS:
                yield text


def add(api: ApiClient, documents: list[dict[str, str]]) -> None:
    """Adds documents and waits until all are searchable.

    Raises:
        SystemExit: documents failed.
    """
    jobs = [
        str(api.add_documents(COLLECTION, documents[first : first + REQUEST_DOCUMENTS], secrets.token_hex(8))["job_id"])
        for first in range(0, len(documents), REQUEST_DOCUMENTS)
    ]
    failed = sum(job["counts"]["failed"] for job in api.wait_for_jobs(jobs, lambda _: None))
    if failed:
        sys.exit(f"{failed} documents failed")


def figures(documents: list[dict[str, Any]]) -> dict[str, object]:
    """What the documents' own timings say."""
    begun = min(_seconds(document["accepted_at"]) + document["queue_ms"] / 1000 for document in documents)
    wall_s = max(_seconds(document["updated_at"]) for document in documents) - begun
    steps = {
        step: sum(document["timings"][step] for document in documents) / 1000
        for step in ("extract_ms", "embed_ms", "write_ms")
    }
    ratio = steps["embed_ms"] / wall_s
    return {
        "bench": "ingest",
        "ratio": round(ratio, 3),
        "at_least": AT_LEAST,
        "documents": len(documents),
        "documents_per_s": round(len(documents) / wall_s, 1),
        "wall_s": round(wall_s, 2),
        "model_s": round(steps["embed_ms"], 2),
        "read_and_cut_s": round(steps["extract_ms"], 2),
        "write_s": round(steps["write_ms"], 2),
        "ours_s": round(wall_s - steps["embed_ms"], 2),
    }


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


if __name__ == "__main__":
    main()
