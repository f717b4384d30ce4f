"""Families that are trained on a collection, trained on SciFact's corpus and measured there: nDCG@10, time, size.

``python -m bench.families`` prints a line of JSON per family; ``--family tf-idf --set reduction=projection`` tries one
with other settings, ``--model all-MiniLM-L6-v2 --precision fp32`` measures a model that is there. Settings are chosen
on ``--split train``. Search is exact: one product of matrices, no index and no chunking.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from services.embedding.families import Setting, trainable, trainer_of
from services.embedding.options import LoadOptions, prepared_models
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.evaluation.beir import EvaluationSet, read_beir
from services.evaluation.metrics import measure
from tests.evaldata import evaluation_folder

DEPTH = 100


def exact_quality(embedder: Embedder, data: EvaluationSet) -> dict[str, float]:
    """nDCG@10 and recall@100 by exact search (text = title + blank + text), and how fast the texts were embedded."""
    texts = [f"{document.title} {document.text}" for document in data.documents]
    began = time.perf_counter()
    documents = embedder.embed_documents(texts)
    took_s = time.perf_counter() - began
    scores = embedder.embed_queries(list(data.queries.values())) @ documents.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    rankings = {
        query: [data.documents[int(at)].id for at in ranked] for query, ranked in zip(data.queries, order, strict=True)
    }
    found = measure(data.qrels, rankings, k=10, recall_k=DEPTH)
    return {"ndcg@10": found["ndcg@10"], "recall@100": found["recall@100"], "texts_per_s": len(texts) / took_s}


def train_and_measure(family: str, settings: Mapping[str, Setting], data: EvaluationSet) -> dict[str, object]:
    """Trains on the set's own documents, loads the model as a user would, and measures."""
    texts = [f"{document.title} {document.text}" for document in data.documents]
    with tempfile.TemporaryDirectory(prefix="nearfield-families-") as name:
        folder = Path(name)
        began = time.perf_counter()
        trainer_of(family)(texts, settings, folder, lambda: None)
        train_s = time.perf_counter() - began
        embedder = ModelRegistry().load(name)
        quality = exact_quality(embedder, data)
        size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {**quality, "train_s": train_s, "size_mb": size_mb, "process_peak_mb": peak_mb}
    return {
        "family": family,
        "settings": dict(settings),
        "dim": embedder.spec.dim,
        **{key: round(value, 4 if "@" in key else 1) for key, value in figures.items()},
    }


def measure_model(name: str, precision: str, data: EvaluationSet) -> dict[str, object]:
    """Measures a model that needs no training."""
    with tempfile.TemporaryDirectory(prefix="nearfield-families-") as folder:
        options = LoadOptions(precision=precision, cache_dir=Path(folder), prepared_dir=prepared_models())
        embedder = ModelRegistry(options).load(name)
        found = exact_quality(embedder, data)
    shown = {key: round(value, 4 if "@" in key else 1) for key, value in found.items()}
    return {"model": name, "runtime": embedder.runtime.name, "precision": embedder.runtime.precision, **shown}


def _setting(text: str) -> tuple[str, Setting]:
    name, _, value = text.partition("=")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", choices=trainable(), help="Default: all of them.")
    parser.add_argument("--set", action="append", default=[], type=_setting, metavar="NAME=VALUE")
    parser.add_argument("--model", help="Measure this model instead of training families.")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="Of --model.")
    parser.add_argument("--split", default="test", help="Which judgements: qrels/SPLIT.tsv.")
    parser.add_argument("--documents", type=int, help="Take only so many documents, judged ones first.")
    arguments = parser.parse_args()
    data = read_beir(evaluation_folder("scifact"), split=arguments.split, limit_documents=arguments.documents)
    if arguments.model:
        print(json.dumps(measure_model(arguments.model, arguments.precision, data)), flush=True)
        return
    for family in arguments.family or trainable():
        print(json.dumps(train_and_measure(family, dict(arguments.set), data)), flush=True)


if __name__ == "__main__":
    main()
