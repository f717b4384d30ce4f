from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from services.embedding import batch_limit as module
from services.embedding.batch_limit import FEW, MANY, batch_limit
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.protocol import Runtime


class Timed(HashEmbedder):
    """Takes the time that it is told to, on a clock of its own."""

    def __init__(self, cost_s: Callable[[int], float], runtime: str = "numpy") -> None:
        super().__init__()
        self.runtime = Runtime(runtime)
        self.cost_s = cost_s
        self.now_s = 0.0
        self.asked = 0

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += 1
        self.now_s += self.cost_s(len(texts))
        return super().embed_queries(texts)


@pytest.mark.parametrize(
    ("cost_s", "queries"),
    [
        (lambda count: 0.0017 * count, FEW),  # each costs the same: company gains nothing
        (lambda count: 0.002 + 0.0003 * count, MANY),  # cheaper together
        (lambda count: 0.5 + 0.001 * count, FEW),  # slow for a few: the next ones would wait long
    ],
)
def test_many_at_a_time_only_where_it_pays(
    cost_s: Callable[[int], float], queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Timed(cost_s)
    monkeypatch.setattr(module.time, "process_time", lambda: model.now_s)
    limit = batch_limit(model)
    assert (limit.queries, limit.side_by_side) == (queries, 1)
    assert limit.tokens == 32 * queries


def test_a_provider_is_not_asked() -> None:
    model = Timed(lambda count: 0.0, "http")
    limit = batch_limit(model)
    assert model.asked == 0
    assert limit.queries > MANY
    assert limit.side_by_side > 1
