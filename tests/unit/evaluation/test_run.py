from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.errors import NearfieldError
from services.evaluation.beir import EvaluationSet, JudgedDocument
from services.evaluation.metrics import measure, percentile
from services.evaluation.run import Plan, evaluate


def test_figures_are_those_one_gets_by_hand() -> None:
    qrels = {"q1": {"a": 1}, "q2": {"a": 1, "b": 1}, "q3": {"c": 1}}
    rankings = {"q1": ["x", "a"], "q2": ["a", "x", "b"], "q3": ["x", "y"]}
    figures = measure(qrels, rankings, k=10, recall_k=100)
    first = 1 / math.log2(3)
    second = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert figures["ndcg@10"] == pytest.approx((first + second) / 3)
    assert figures["mrr@10"] == pytest.approx((1 / 2 + 1) / 3)
    assert figures["recall@100"] == pytest.approx(2 / 3)


def test_the_order_of_the_answer_counts_whatever_the_ids_are() -> None:
    best = [f"{9 - n}" for n in range(10)]
    assert measure({"q": {"9": 1}}, {"q": best}, k=10, recall_k=100)["mrr@10"] == 1.0
    assert measure({"q": {"0": 1}}, {"q": best}, k=10, recall_k=100)["mrr@10"] == pytest.approx(0.1)


def test_a_judged_query_without_an_answer_counts_as_nothing_found() -> None:
    assert measure({"q1": {"a": 1}, "q2": {"a": 1}}, {"q1": ["a"], "q2": []}, k=10, recall_k=100)["ndcg@10"] == 0.5
    assert measure({"q1": {"a": 1}, "q2": {"a": 1}}, {"q1": ["a"]}, k=10, recall_k=100)["ndcg@10"] == 0.5


def test_the_cut_of_the_measures_is_the_one_asked_for() -> None:
    figures = measure({"q": {"a": 1}}, {"q": ["x", "y", "z", "a"]}, k=3, recall_k=100)
    assert figures == {"ndcg@3": 0.0, "mrr@3": 0.0, "recall@100": 1.0}


def test_percentiles() -> None:
    assert percentile([], 0.5) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0, 2.0], 0.5) == 1.0
    assert percentile([float(n) for n in range(100)], 0.95) == 94.0
    assert percentile([7.0], 0.95) == 7.0


class Memory:
    """A product that finds documents which share a word with the query, in the order they came."""

    def __init__(self, complete: bool = True) -> None:
        self.collections: dict[str, list[JudgedDocument]] = {}
        self.complete = complete
        self.limits: set[int] = set()
        self.chunking = ""

    def create(self, name: str, chunking: str) -> None:
        self.chunking = chunking
        self.collections.setdefault(name, [])

    def ingest(self, name: str, documents: Sequence[JudgedDocument]) -> None:
        self.collections[name] += documents

    def search(self, name: str, query: str, *, limit: int, mode: str) -> Mapping[str, Any]:
        self.limits.add(limit)
        hits = [{"id": d.id} for d in self.collections[name] if set(d.text.split()) & set(query.split())]
        return {"hits": hits[:limit], "complete": self.complete}

    def delete(self, name: str) -> None:
        del self.collections[name]


DATA = EvaluationSet(
    (JudgedDocument("a", "", "red fox"), JudgedDocument("b", "", "blue bird")),
    {"q1": "the red one", "q2": "a bird"},
    {"q1": {"a": 1}, "q2": {"a": 1}},
)


def test_a_run_measures_and_cleans_up_after_itself() -> None:
    target = Memory()
    steps: list[tuple[str, int, int]] = []
    figures = evaluate(target, DATA, Plan("c", throw_away=True, chunking="none"), lambda *step: steps.append(step))
    assert figures["ndcg@10"] == 0.5
    assert (figures["documents"], figures["queries"], figures["chunking"]) == (2, 2, "none")
    assert figures["latency_p95_ms"] >= figures["latency_p50_ms"] >= 0
    assert target.limits == {100}
    assert target.chunking == "none"
    assert target.collections == {}
    assert steps == [("search", 1, 2), ("search", 2, 2)]


def test_a_kept_collection_stays() -> None:
    target = Memory()
    evaluate(target, DATA, Plan("c", throw_away=False), lambda *_: None)
    assert list(target.collections) == ["c"]


def test_an_incomplete_index_gives_no_figures_and_leaves_no_collection() -> None:
    target = Memory(complete=False)
    with pytest.raises(NearfieldError, match="incomplete"):
        evaluate(target, DATA, Plan("c", throw_away=True), lambda *_: None)
    assert target.collections == {}
