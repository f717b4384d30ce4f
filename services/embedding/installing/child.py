"""The process in which models are tried: ``python -m services.embedding.installing.child``, started by ``trials.py``.

A model that crashes its library, or eats all memory, takes this process with it and nothing else.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.children.inside import Report, serve
from services.errors import ModelError

if TYPE_CHECKING:
    from services.embedding.protocol import Embedder

_WARM_TEXTS = 8
_BATCH = 64
_QUERIES = 40
_WORDS = tuple(
    "the a of and in to for with on by from at as is was are be this that it settings file folder server search index "  # noqa: SIM905
    "document model vector query answer river mountain winter summer engine protein cell market price history letter "
    "music garden measure result method value table error report light water energy city school language".split()
)


def work(request: Mapping[str, Any], report: Report) -> Mapping[str, object]:
    """Loads the model that is asked for, and tries or measures it."""
    started = time.perf_counter()
    embedder = _load(request)
    load_s = time.perf_counter() - started
    probe(embedder)
    if request["task"] == "probe":
        return {"fingerprint": embedder.spec.fingerprint}
    return {**_measure(embedder, float(request["budget_s"]), report), "load_s": load_s}


def probe(embedder: Embedder) -> None:
    """Embeds texts of all kinds; whatever is wrong with their vectors comes out as ModelError.

    Raises:
        ModelError: code "model-broken".
    """
    import numpy as np

    texts = ["A short text.", "", "?", " ".join(_WORDS) * 20, "Zürich 東京 \U0001f600 naïve"]
    if "text" not in embedder.spec.modalities:
        return
    try:
        one, two = embedder.embed_documents(texts), embedder.embed_queries(texts)
    except Exception as error:  # a forward pass over files that do not fit together fails in any way there is
        raise ModelError(
            f"the model {embedder.spec.name!r} cannot embed ({type(error).__name__}: {str(error)[:200]}); its files do "
            "not belong together, or are damaged: copy the whole model again",
            code="model-broken",
        ) from error
    for vectors in (one, two):
        wrong = vectors.shape != (len(texts), embedder.spec.dim) or not np.isfinite(vectors).all()
        if wrong or not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-2):
            raise ModelError(
                f"the model {embedder.spec.name!r} makes vectors that are none: {vectors.shape[1:]} numbers where its "
                f"configuration says {embedder.spec.dim}, or not of length 1; copy the whole model again",
                code="model-broken",
            )


def _load(request: Mapping[str, Any]) -> Embedder:
    from services.embedding.families import loader_of
    from services.embedding.options import LoadOptions
    from services.embedding.registry import ModelRegistry
    from services.embedding.resolving import read_spec

    models_dir, cache_dir = Path(request["models_dir"]), Path(request["cache_dir"])
    options = LoadOptions(
        threads=int(request["threads"]),
        batch_tokens=int(request["batch_tokens"]),
        device=request["device"],
        precision=request["precision"],
        cache_dir=cache_dir,
        models_dir=models_dir,
    )
    if request["task"] != "probe":
        return ModelRegistry(options).load(request["name"])
    folder = Path(request["folder"])
    spec = read_spec(request["name"], folder, source="installed")
    return loader_of(spec.family)(spec, folder, options)


def _measure(embedder: Embedder, budget_s: float, report: Report) -> Mapping[str, object]:
    """Texts a second in the first two thirds of the time, one query at a time in the rest."""
    texts = _texts()
    embedder.embed_documents([next(texts) for _ in range(_WARM_TEXTS)])
    done, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < budget_s * 2 / 3:
        embedder.embed_documents([next(texts) for _ in range(_BATCH)])
        done += _BATCH
        report({"texts": done})
    spent = time.perf_counter() - started
    took: list[float] = []
    deadline = time.perf_counter() + budget_s / 3
    while len(took) < _QUERIES and (time.perf_counter() < deadline or not took):
        query = " ".join(next(texts).split()[:8])
        begun = time.perf_counter()
        embedder.embed_queries([query])
        took.append(time.perf_counter() - begun)
    runtime = embedder.runtime
    return {
        "texts_per_s": done / spent,
        "texts": done,
        "query_p50_ms": sorted(took)[len(took) // 2] * 1000,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "runtime": {"name": runtime.name, "precision": runtime.precision, "why": runtime.why},
        "cores": len(os.sched_getaffinity(0)),
    }


def _texts() -> Iterator[str]:
    """Texts of 20 to 80 words, the same in each run, no two alike: a cache of vectors must not answer."""
    state = 12_345
    while True:
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        length, words = 20 + state % 61, []
        for _ in range(length):
            state = (state * 1_103_515_245 + 12_345) % (1 << 31)
            words.append(_WORDS[(state >> 8) % len(_WORDS)])
        yield f"{state} " + " ".join(words)


if __name__ == "__main__":
    status = serve(work)
    sys.stderr.flush()
    os._exit(status)
