"""The second look: the best hits of a search, read closely by a reranker and put into its order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.errors import InvalidInput
from services.index.values import FoundDocument
from services.search.values import MAX_RERANK_DEPTH, SearchRequest

TIMEOUT_S = 10.0


class Rerankers(Protocol):
    """What a search needs of the rerankers (``services/embedding/rerank/registry.py``)."""

    def check(self, name: str) -> None:
        """Raises InvalidInput for a name that is not offered."""
        ...

    def scores(self, name: str, query: str, texts: Sequence[str], timeout_s: float) -> NDArray[np.float32]:
        """A score for each text, higher is better."""
        ...


class NoRerankers:
    """Offers none."""

    def check(self, name: str) -> None:
        """Refuses every name."""
        raise InvalidInput(
            f"there is no reranker {name[:80]!r}; none is offered here; search without rerank",
            code="unknown-reranker",
            pointer="/rerank",
        )

    def scores(self, name: str, query: str, texts: Sequence[str], timeout_s: float) -> NDArray[np.float32]:  # noqa: ARG002
        """Refuses every name."""
        self.check(name)
        raise AssertionError


def check_rerank(request: SearchRequest, rerankers: Rerankers) -> None:
    """Checks what a request says of reranking.

    Raises:
        InvalidInput: an unknown name, a depth out of range, a page beyond it, or no words to rerank by.
    """
    if not request.rerank:
        return
    rerankers.check(request.rerank)
    depth = request.rerank_depth
    if type(depth) is not int or not 1 <= depth <= MAX_RERANK_DEPTH:
        raise InvalidInput(
            f"rerank_depth is {str(depth)[:40]}; allowed are 1 to {MAX_RERANK_DEPTH}",
            pointer="/rerank_depth",
            code="out-of-range",
        )
    if request.offset + request.limit > depth:
        raise InvalidInput(
            f"offset {request.offset} and limit {request.limit} reach {request.offset + request.limit}, and only the "
            f"first {depth} hits are reranked (rerank_depth); ask for fewer, or raise rerank_depth to at most "
            f"{MAX_RERANK_DEPTH}",
            pointer="/rerank_depth",
            code="beyond-rerank-depth",
        )
    if request.media is not None:
        raise InvalidInput(
            "rerank reads the words of the query, and this search is by a picture or a sound; leave rerank out",
            pointer="/rerank",
            code="unsupported-modality",
        )


def reranked(
    found: Sequence[FoundDocument], query: str, request: SearchRequest, rerankers: Rerankers, timeout_s: float
) -> list[tuple[FoundDocument, float]]:
    """All of ``found`` with their scores, best first; equal scores keep the order of the search.

    Raises:
        Unavailable: the reranker did not answer in time. ModelError: it cannot be loaded.
    """
    if not found:
        return []
    scores = rerankers.scores(request.rerank, query, [each.hit.text for each in found], timeout_s)
    order = np.argsort(-scores, kind="stable")
    return [(found[position], float(scores[position])) for position in order]
