"""What the cache of document vectors costs and saves, against the model's own time.

``python -m bench.caches`` prints one JSON object per line. ``overhead_ratio`` is the time the cache adds to texts it
does not know, over the time of embedding them (at most 0.02 is asked); ``hit_ratio`` the time of embedding over that
of finding all of them (at least 20 is asked).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.ingest import texts
from services.embedding.caching.document_vectors import DocumentVectorCache
from services.embedding.caching.documents import CachedDocuments
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry

MODEL = "all-MiniLM-L6-v2"
WINDOW = 64
"""Texts per call, about as many as the ingest hands over at a time."""

ROOM_MB = 256
OVERHEAD_AT_MOST = 0.02
FASTER_AT_LEAST = 20


def main() -> None:
    """Runs the comparison and prints its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.caches", description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--model", default=MODEL)
    options = parser.parse_args()
    given = texts(options.documents)
    with tempfile.TemporaryDirectory() as folder:
        model = ModelRegistry(LoadOptions(cache_dir=Path(folder))).load(options.model)
        model.embed_documents(given[:WINDOW])
        print(json.dumps(_compare(model, given, Path(folder) / "vectors")), flush=True)
        print(json.dumps(_full(Path(folder) / "full", model.spec.dim)), flush=True)


def _compare(model: Embedder, given: Sequence[str], folder: Path) -> dict[str, object]:
    """The cache's own part of a first and of a second ingest; the model is timed within the same calls."""
    watched = _Watched(model)
    cache = DocumentVectorCache(folder, ROOM_MB << 20)
    documents = CachedDocuments(watched, cache)
    first_s, first = _run(documents, given)
    model_s = watched.took_s
    again_s, again = _run(documents, given)
    cache.close()
    overhead = (first_s - model_s) / model_s
    return {
        "bench": "document-cache",
        "overhead_ratio": round(overhead, 4),
        "overhead_at_most": OVERHEAD_AT_MOST,
        "hit_ratio": round(model_s / again_s, 1),
        "hit_at_least": FASTER_AT_LEAST,
        "documents": len(given),
        "model_ms_per_document": round(1000 * model_s / len(given), 3),
        "overhead_us_per_document": round(1e6 * (first_s - model_s) / len(given), 1),
        "hit_us_per_document": round(1e6 * again_s / len(given), 1),
        "same_vectors": bool(np.array_equal(first, again)),
        "texts_embedded": watched.texts,
    }


def _full(folder: Path, dim: int) -> dict[str, object]:
    """A cache at its limit, which throws out as much as comes in."""
    cache = DocumentVectorCache(folder, 8 << 20)
    numbers = np.random.default_rng(1).standard_normal((WINDOW, dim)).astype(np.float32)
    times = []
    for turn in range(400):
        new = {f"{turn}-{row}".rjust(32).encode(): numbers[row] for row in range(WINDOW)}
        began = time.perf_counter()
        cache.get(list(new), dim)
        cache.put(new)
        times.append((time.perf_counter() - began) / WINDOW)
    cache.close()
    return {
        "bench": "document-cache-full",
        "mean_us_per_document": round(1e6 * statistics.mean(times[200:]), 1),
        "slowest_us_per_document": round(1e6 * max(times[200:]), 1),
    }


def _run(documents: CachedDocuments, given: Sequence[str]) -> tuple[float, NDArray[np.float32]]:
    began = time.perf_counter()
    rows = [documents.embed_documents(window) for window in _windows(given)]
    return time.perf_counter() - began, np.concatenate(rows)


def _windows(given: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(given), WINDOW):
        yield given[start : start + WINDOW]


class _Watched:
    """An embedder whose time is taken."""

    def __init__(self, model: Embedder) -> None:
        self.spec = model.spec
        self.runtime = model.runtime
        self.tokens = model.tokens
        self.special_tokens = model.special_tokens
        self.took_s = 0.0
        self.texts = 0
        self._model = model

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._model.embed_queries(texts)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        began = time.perf_counter()
        vectors = self._model.embed_documents(texts)
        self.took_s += time.perf_counter() - began
        self.texts += len(texts)
        return vectors


if __name__ == "__main__":
    main()
