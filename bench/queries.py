"""Queries one at a time and many at once, as the server embeds them.

``python -m bench.queries`` prints one JSON object per line: one query alone against ``SentenceTransformer.encode`` in
the same run (``ratio`` at most 0.35 is asked), 32 concurrent ones against the same number one after the other, of our
own (``ratio``) and of the library's (``of_baseline``), and one that is remembered. The sides take turns in blocks, so
that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from services.embedding.batch_limit import batch_limit
from services.embedding.builtin import MINILM_SPEC
from services.embedding.caching.query_vectors import QueryVectorCache
from services.embedding.microbatch import QueryBatcher
from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.embedding.resolving import packaged_folder
from services.search.embedder import BatchedQueryEmbedder

CALLERS = 32
ALONE_AT_MOST = 0.35
TOGETHER_AT_LEAST = 4.0
TIMEOUT_S = 60.0
_WAIT_MS = 2
_BLOCK = 32
_SUBJECTS = ("a file", "many tasks", "the settings", "a date in a string", "an encrypted connection", "two sequences")
_DEEDS = ("shrink", "run at once", "read from the environment", "parse", "open and close", "compare line by line")


def main() -> None:
    """Runs the comparisons and prints their figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=__doc__)
    parser.add_argument("--model", default=MINILM_SPEC.name)
    parser.add_argument("--rounds", type=int, default=10, help="of 32 queries each, both ways")
    options = parser.parse_args()
    plain = _plain_encode() if options.model == MINILM_SPEC.name else None
    with tempfile.TemporaryDirectory() as folder:
        _measure(ModelRegistry(LoadOptions(cache_dir=Path(folder))).load(options.model), plain, options.rounds)


def _measure(model: Embedder, plain: Callable[[str], object] | None, rounds: int) -> None:
    limit = batch_limit(model)
    batcher = QueryBatcher(model, wait_ms=_WAIT_MS, queue_limit=1000, batch=limit)
    queries = _queries()
    named = {"runtime": model.runtime.name, "precision": model.runtime.precision, "batch": limit.queries}
    alone = _alone(batcher, plain, queries, rounds * CALLERS)
    print(json.dumps(alone | named), flush=True)
    print(json.dumps(_together(batcher, queries, rounds, alone.get("baseline_p50_ms")) | named), flush=True)
    print(json.dumps(_remembered(model, batcher, queries)), flush=True)
    batcher.close()


def _plain_encode() -> Callable[[str], object]:
    """The baseline, with the number of torch threads that it runs with by itself."""
    import torch
    from sentence_transformers import SentenceTransformer

    threads = torch.get_num_threads()
    model = SentenceTransformer(str(packaged_folder()), device="cpu", local_files_only=True)

    def encode(query: str) -> object:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            return model.encode(query, show_progress_bar=False)
        finally:
            torch.set_num_threads(before)

    return encode


def _queries() -> Iterator[str]:
    """Never the same twice."""
    for number in count():
        deed, subject = _DEEDS[number % len(_DEEDS)], _SUBJECTS[number // len(_DEEDS) % len(_SUBJECTS)]
        yield f"how do I {deed} {subject}, attempt {number}"


def _alone(
    batcher: QueryBatcher, plain: Callable[[str], object] | None, queries: Iterator[str], asked: int
) -> dict[str, Any]:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(asked // _BLOCK):
        ours += _steady_s(lambda query: batcher.embed(query, TIMEOUT_S), queries)
        if plain is not None:
            theirs += _steady_s(plain, queries)
    found: dict[str, Any] = {"bench": "query-alone", "p50_ms": _ms(ours, 0.5), "p95_ms": _ms(ours, 0.95)}
    if theirs:
        found |= {"baseline_p50_ms": _ms(theirs, 0.5), "baseline_p95_ms": _ms(theirs, 0.95)}
        found |= {"ratio": round(statistics.median(ours) / statistics.median(theirs), 3), "at_most": ALONE_AT_MOST}
    return found | {"queries": len(ours)}


def _steady_s(embed: Callable[[str], object], queries: Iterator[str]) -> list[float]:
    """Seconds of each query of a block, without the first ones: torch's threads spin for a while after they were used,
    on the cores that the other side is measured on."""
    return [_timed_s(embed, next(queries)) for _ in range(_BLOCK)][_BLOCK // 4 :]


def _together(
    batcher: QueryBatcher, queries: Iterator[str], rounds: int, baseline_ms: float | None
) -> dict[str, object]:
    """The same number of distinct queries by one caller and by 32, each of which asks again when it has its answer."""
    each = 4
    gains: list[float] = []
    one_s: list[float] = []
    many_s: list[float] = []
    latencies: list[float] = []
    for _ in range(rounds):
        texts = [next(queries) for _ in range(CALLERS * each)]
        began = time.perf_counter()
        for text in texts:
            batcher.embed(text, TIMEOUT_S)
        one_s.append(time.perf_counter() - began)
        texts = [next(queries) for _ in range(CALLERS * each)]
        took_s, waited_s = _by_many(batcher, texts)
        many_s.append(took_s)
        latencies += waited_s
        gains.append(one_s[-1] / took_s)
    together_per_s = CALLERS * each / statistics.median(many_s)
    found: dict[str, object] = (
        {} if baseline_ms is None else {"of_baseline": round(together_per_s * baseline_ms / 1000, 2)}
    )
    return found | {
        "bench": "queries-together",
        "ratio": round(statistics.median(gains), 2),
        "at_least": TOGETHER_AT_LEAST,
        "queries_per_s": round(together_per_s, 1),
        "one_by_one_per_s": round(CALLERS * each / statistics.median(one_s), 1),
        "p50_ms": _ms(latencies, 0.5),
        "p95_ms": _ms(latencies, 0.95),
        "callers": CALLERS,
        "rounds": rounds,
    }


def _by_many(batcher: QueryBatcher, texts: list[str]) -> tuple[float, list[float]]:
    ready = threading.Barrier(CALLERS + 1)
    waited_s: list[float] = []

    def ask(own: list[str]) -> None:
        ready.wait()
        for text in own:
            waited_s.append(_timed_s(lambda query: batcher.embed(query, TIMEOUT_S), text))

    callers = [threading.Thread(target=ask, args=(texts[number::CALLERS],)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    ready.wait()
    began = time.perf_counter()
    for caller in callers:
        caller.join()
    return time.perf_counter() - began, waited_s


def _remembered(model: Embedder, batcher: QueryBatcher, queries: Iterator[str]) -> dict[str, object]:
    embedder = BatchedQueryEmbedder(model, batcher, remembered=QueryVectorCache(4096))
    known = [next(queries) for _ in range(100)]
    for query in known:
        embedder.embed(query, TIMEOUT_S)
    times = [_timed_s(lambda query: embedder.embed(query, TIMEOUT_S), query) for query in known * 20]
    return {"bench": "query-remembered", "p50_us": round(1e6 * statistics.median(times), 1), "queries": len(times)}


def _timed_s(ask: Callable[[str], object], query: str) -> float:
    began = time.perf_counter()
    ask(query)
    return time.perf_counter() - began


def _ms(seconds: list[float], quantile: float) -> float:
    return round(1000 * sorted(seconds)[int(quantile * len(seconds))], 2)


if __name__ == "__main__":
    main()
