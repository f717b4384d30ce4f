"""Quality and latency figures from rankings. The quality measures are ir-measures', not our own arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def measure(
    qrels: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]], *, k: int, recall_k: int
) -> dict[str, float]:
    """nDCG@k, recall@``recall_k`` and MRR@k, averaged over all judged queries.

    Args:
        qrels: relevance by query id and document id; relevant means above 0, gains are linear.
        rankings: document ids by query id, best first. A judged query without a ranking counts as 0.

    Returns:
        values by "ndcg@10", "recall@100", "mrr@10" (with the k that were asked for).
    """
    import ir_measures

    names = {
        f"ndcg@{k}": ir_measures.nDCG @ k,
        f"recall@{recall_k}": ir_measures.R @ recall_k,
        f"mrr@{k}": ir_measures.RR @ k,
    }
    judged = [
        ir_measures.Qrel(query, document, relevance)
        for query, documents in qrels.items()
        for document, relevance in documents.items()
    ]
    # the evaluators sort by score and break ties by id: a score made from the rank keeps the product's own order
    run = [
        ir_measures.ScoredDoc(query, document, 1.0 / (rank + 1))
        for query, documents in rankings.items()
        for rank, document in enumerate(documents)
    ]
    found = ir_measures.calc_aggregate(list(names.values()), judged, run)
    return {name: float(found[measure]) for name, measure in names.items()}


def percentile(values: Sequence[float], fraction: float) -> float:
    """The least value that ``fraction`` of the values do not exceed (nearest rank); 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(math.ceil(fraction * len(ordered)), 1) - 1]
