"""Embedding against plain sentence-transformers, in one process and on the same texts.

``python -m bench.embed`` prints one JSON object per line. ``ratio`` is the baseline's time over ours: above 1 we are
faster. All sides take turns within each round, so that a busy machine slows each, and the median round counts.
``--device cuda`` measures a GPU against the library on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.embed_process import first_loading, loading, memory
from bench.embed_texts import QUERIES, docstrings
from bench.embed_work import model_flop, product_rate
from services.embedding.builtin import MINILM_SPEC
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.resolving import packaged_folder

Encode = Callable[[list[str]], NDArray[np.float32]]
_MOVED_TEXTS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--only", choices=("documents", "query", "tolerance", "memory", "load", "first-load"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / f"nearfield-bench-{os.getuid()}")
    given = parser.parse_args()
    options = LoadOptions(cache_dir=given.cache, device=given.device, precision=given.precision)
    for result in _results(options, docstrings(given.texts), given.rounds, given.only):
        print(json.dumps(result), flush=True)


def _results(options: LoadOptions, texts: list[str], rounds: int, only: str | None) -> Iterator[dict[str, object]]:
    embedder = ModelRegistry(options).load(MINILM_SPEC.name)
    wanted = {only} if only else {"documents", "query", "tolerance", "memory", "load", "first-load"}
    yield {"bench": "embed-runtime", "name": embedder.runtime.name, "why": embedder.runtime.why}
    if "documents" in wanted:
        yield _documents(embedder, _plain(), texts, rounds)
    if "query" in wanted:
        yield _queries(embedder, _plain())
    if "tolerance" in wanted:
        yield _tolerance(embedder, options, texts)
    if "memory" in wanted:
        yield memory(options, texts)
    if "load" in wanted:
        yield loading(options, rounds)
    if "first-load" in wanted:
        yield first_loading(options)


def _plain() -> Encode:
    """The baseline with the number of torch threads that it takes by itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = SentenceTransformer(str(packaged_folder()), device="cpu", local_files_only=True)

    def plain(texts: list[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = model.encode(texts, show_progress_bar=False)
        return vectors

    return plain


def _documents(embedder: Embedder, plain: Encode, texts: list[str], rounds: int) -> dict[str, object]:
    added = embedder.special_tokens
    lengths = [min(embedder.tokens.count(text) + added, embedder.spec.max_tokens) for text in texts]
    flop, cores = model_flop(packaged_folder(), lengths), len(os.sched_getaffinity(0))
    embedder.embed_documents(texts)
    plain(texts[:64])
    ratios, rates, plain_rates, shares = [], [], [], []
    for _ in range(rounds):
        before = product_rate(cores)
        ours_s, vectors = _timed(embedder.embed_documents, texts)
        product = (before + product_rate(cores)) / 2
        plain_s, plain_vectors = _timed(plain, texts)
        ratios.append(plain_s / ours_s)
        rates.append(len(texts) / ours_s)
        plain_rates.append(len(texts) / plain_s)
        shares.append(flop / ours_s / product)
    cosines = (vectors.astype(np.float64) * plain_vectors).sum(axis=1)
    return {
        "bench": "embed-documents",
        "ratio": round(statistics.median(ratios), 2),
        "docs_per_s": round(statistics.median(rates), 1),
        "baseline_docs_per_s": round(statistics.median(plain_rates), 1),
        "lowest_cosine": round(float(cosines.min()), 6),
        "mean_cosine": round(float(cosines.mean()), 6),
        "share_of_bf16_product": round(statistics.median(shares), 3),
        "mflop_per_token": round(flop / sum(lengths) / 1e6, 1),
        "tokens_per_text": round(sum(lengths) / len(texts), 1),
        "texts": len(texts),
        "rounds": rounds,
    }


def _queries(embedder: Embedder, plain: Encode, repeats: int = 40) -> dict[str, object]:
    """One query alone; ``share`` is our median over the baseline's."""
    times: list[tuple[float, float]] = []
    for query in QUERIES:
        embedder.embed_queries([query])
        plain([query])
    for _ in range(repeats):
        for query in QUERIES:
            times.append((_timed(embedder.embed_queries, [query])[0], _timed(plain, [query])[0]))
    ours_ms, plain_ms = (sorted(1000 * each for each in side) for side in zip(*times, strict=True))
    return {
        "bench": "embed-query",
        "share": round(statistics.median(ours_ms) / statistics.median(plain_ms), 3),
        "p50_ms": round(statistics.median(ours_ms), 2),
        "p95_ms": round(ours_ms[int(0.95 * len(ours_ms))], 2),
        "baseline_p50_ms": round(statistics.median(plain_ms), 2),
        "baseline_p95_ms": round(plain_ms[int(0.95 * len(plain_ms))], 2),
        "queries": len(times),
    }


def _tolerance(embedder: Embedder, options: LoadOptions, texts: list[str]) -> dict[str, object]:
    """By how much a component moves between batches, alone, with one stream and after loading again."""
    some = texts[:_MOVED_TEXTS]
    among = embedder.embed_documents(texts)[:_MOVED_TEXTS]
    again = ModelRegistry(replace(options, threads=1, batch_tokens=512)).load(MINILM_SPEC.name)

    def moved(vectors: NDArray[np.float32]) -> float:
        return float(f"{np.abs(vectors - among).max():.1e}")

    return {
        "bench": "embed-tolerance",
        "stated": float(f"{embedder.runtime.tolerance:.1e}"),
        "same_call_again": moved(embedder.embed_documents(texts)[:_MOVED_TEXTS]),
        "alone": moved(np.concatenate([embedder.embed_documents([text]) for text in some])),
        "backwards": moved(embedder.embed_documents(texts[::-1])[::-1][:_MOVED_TEXTS]),
        "one_stream_small_budget_loaded_again": moved(again.embed_documents(some)),
        "texts": len(some),
    }


def _timed(encode: Encode, texts: list[str]) -> tuple[float, NDArray[np.float32]]:
    start = time.perf_counter()
    vectors = encode(texts)
    return time.perf_counter() - start, vectors


if __name__ == "__main__":
    main()
