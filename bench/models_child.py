"""One training or one measurement for ``bench.models``: a job as JSON on stdin, lines of figures on stdout."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.families import trainer_of
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.protocol import Embedder
from services.embedding.quantised import (
    binary_codes,
    calibrate_int8,
    int8_codes,
    rescored,
    search_binary,
    search_int8,
    signs,
)
from services.embedding.registry import ModelRegistry
from services.embedding.truncated import TruncatedEmbedder
from services.evaluation.beir import EvaluationSet, read_beir
from services.evaluation.intrinsic import sentence_similarity
from services.evaluation.intrinsic_data import ScoredPair, read_check
from services.evaluation.metrics import measure, percentile
from tests.evaldata import evaluation_folder

DEPTH = 100
QUERIES_ALONE = 50
SHORTER = (256, 128, 64)
FACTOR = 4
Floats = NDArray[np.float32]


class Recorded:
    """An embedder that answers from vectors made before: what is derived from a model costs no second pass."""

    def __init__(self, whole: Embedder) -> None:
        self.spec, self.runtime, self.tokens = whole.spec, whole.runtime, whole.tokens
        self.special_tokens = whole.special_tokens
        self._whole = whole
        self._queries: dict[str, Floats] = {}
        self._documents: dict[str, Floats] = {}

    def embed_queries(self, texts: Sequence[str]) -> Floats:
        """See ``Embedder.embed_queries``."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._queries]
        self._queries.update(zip(fresh, self._whole.embed_queries(fresh), strict=True))
        return np.stack([self._queries[text] for text in texts])

    def embed_documents(self, texts: Sequence[str]) -> Floats:
        """See ``Embedder.embed_documents``."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._documents]
        self._documents.update(zip(fresh, self._whole.embed_documents(fresh), strict=True))
        return np.stack([self._documents[text] for text in texts])


def _registry() -> ModelRegistry:
    """Models run as in the product, converted ones kept from one measurement to the next."""
    cache = Path(tempfile.gettempdir()) / f"nearfield-bench-{os.getuid()}"
    return ModelRegistry(LoadOptions(cache_dir=cache, prepared_dir=prepared_models()))


def scifact(texts: int | None) -> tuple[EvaluationSet, list[str]]:
    """SciFact's test queries and the texts of its documents, all or cut to ``texts``."""
    data = read_beir(evaluation_folder("scifact"), limit_documents=texts)
    return data, [f"{document.title} {document.text}" for document in data.documents]


def sts_spearman(embedder: Embedder, texts: int | None) -> float:
    """Rank correlation of cosines with people's scores over the test part of STS-B, times 100."""
    folder = evaluation_folder("stsbenchmark")
    check = read_check(folder / "test.jsonl", folder)
    if check is None or check.kind != "sentences":
        sys.exit(f"{folder} has no pairs of sentences in test.jsonl")
    pairs = [pair for pair in check.items if isinstance(pair, ScoredPair)]
    return 100 * sentence_similarity(embedder, pairs[:texts])["spearman"]


def exact(queries: Floats, documents: Floats) -> NDArray[np.int64]:
    """The nearest documents of each query, nearest first."""
    return np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :DEPTH]


def quality(data: EvaluationSet, ranked: NDArray[np.int64]) -> dict[str, float]:
    """nDCG@10 of rankings."""
    rankings = {
        query: [data.documents[int(at)].id for at in row] for query, row in zip(data.queries, ranked, strict=True)
    }
    found = measure(data.qrels, rankings, k=10, recall_k=DEPTH)
    return {"ndcg": round(found["ndcg@10"], 4), "recall100": round(found["recall@100"], 4)}


def train(job: dict[str, Any]) -> None:
    """Trains a family on the documents' texts."""
    _, texts = scifact(job["texts"])
    began = time.perf_counter()
    trainer_of(job["family"])(texts, job["settings"], Path(job["folder"]), lambda: None)
    print(json.dumps({"train_s": round(time.perf_counter() - began, 1)}))


def measured(job: dict[str, Any]) -> None:
    """Figures of a model, and of what is derived from it where that is asked."""
    registry = _registry()
    data, texts = scifact(job["texts"])
    asked = list(data.queries.values())
    embedder = registry.load(job["model"])
    embedder.embed_documents(texts[:8])
    began = time.perf_counter()
    documents = embedder.embed_documents(texts)
    per_second = len(texts) / (time.perf_counter() - began)
    alone_ms = [_timed_ms(embedder, query) for query in asked[:QUERIES_ALONE]]
    queries = embedder.embed_queries(asked)
    row = {
        "label": job["label"],
        "family": embedder.spec.family,
        "dim": embedder.spec.dim,
        "bytes": embedder.spec.dim * 4,
        **quality(data, exact(queries, documents)),
        "sts": round(sts_spearman(embedder, job["texts"]), 1),
        "texts_per_s": round(per_second),
        "query_ms": round(percentile(alone_ms, 0.5), 2),
        "size_mb": round(_size_bytes(registry.resolve(job["model"]).folder) / 1e6, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "runtime": f"{embedder.runtime.name} {embedder.runtime.precision}",
    }
    print(json.dumps(row))
    if job["label"] == job["model"] and embedder.spec.family == "transformer":
        for derived in _derived(row, embedder, data, texts, documents, queries, job["texts"]):
            print(json.dumps(derived))


def _derived(
    row: dict[str, Any],
    embedder: Embedder,
    data: EvaluationSet,
    texts: list[str],
    documents: Floats,
    queries: Floats,
    limit: int | None,
) -> list[dict[str, Any]]:
    """Rows of shorter vectors and of codes; time and memory are those of the whole model."""
    recorded = Recorded(embedder)
    asked = list(data.queries.values())
    rows = []
    for dim in (each for each in SHORTER if each < embedder.spec.dim):
        cut = TruncatedEmbedder(recorded, dim)
        ranked = exact(cut.embed_queries(asked), cut.embed_documents(texts))
        shorter = {"label": cut.spec.name, "dim": dim, "bytes": dim * 4, "sts": round(sts_spearman(cut, limit), 1)}
        rows.append({**row, **shorter, **quality(data, ranked)})
    scale = calibrate_int8(documents[:1000])
    codes, bits, asked_bits = int8_codes(documents, scale), binary_codes(documents), binary_codes(queries)
    plain = exact(queries, documents)
    many = search_binary(asked_bits, bits, FACTOR * DEPTH)
    dim = embedder.spec.dim
    ways = {
        "int8": (dim, search_int8(queries, codes, scale, DEPTH)),
        "binary": (dim // 8, search_binary(asked_bits, bits, DEPTH)),
        f"binary, {FACTOR} x k rescored by signs": (dim // 8, rescored(queries, many, signs(bits, dim), None, DEPTH)),
        f"binary, {FACTOR} x k rescored by int8": (dim // 8 + dim, rescored(queries, many, codes, scale, DEPTH)),
    }
    for name, (size, ranked) in ways.items():
        same = [len(set(a[:10]) & set(b[:10])) / 10 for a, b in zip(ranked.tolist(), plain.tolist(), strict=True)]
        figures = {
            "label": f"{row['label']}: {name}",
            "bytes": size,
            "sts": None,
            "recall10": round(float(np.mean(same)), 4),
        }
        rows.append({**row, **figures, **quality(data, ranked)})
    return rows


def _timed_ms(embedder: Embedder, query: str) -> float:
    began = time.perf_counter()
    embedder.embed_queries([query])
    return 1000 * (time.perf_counter() - began)


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder != Path() else 0


def main() -> None:
    """Does the job that stands on stdin."""
    job: dict[str, Any] = json.load(sys.stdin)
    {"train": train, "measure": measured}[job["do"]](job)


if __name__ == "__main__":
    main()
