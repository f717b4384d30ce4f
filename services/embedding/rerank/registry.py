"""Which rerankers are offered, and one loaded copy of each."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedding.building import BUILDING
from services.embedding.rerank.folder import read_reranker_spec
from services.embedding.rerank.owner import RerankerOwner
from services.embedding.rerank.protocol import Reranker, RerankerSpec
from services.errors import InvalidInput


class RerankerRegistry:
    """Names to rerankers. Safe to use from several threads; nothing is read before it is asked for.

    Args:
        offered: names to folders (``options.parse_rerankers``).
        models_dir: where folders that are not absolute lie.
    """

    def __init__(self, offered: Mapping[str, Path], models_dir: Path) -> None:
        self._folders = {name: models_dir / folder for name, folder in offered.items()}
        self._owners: dict[str, RerankerOwner] = {}
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Those that searches may name, in the operator's order."""
        return tuple(self._folders)

    def spec(self, name: str) -> RerankerSpec:
        """What a reranker is, without loading it.

        Raises:
            InvalidInput: code "unknown-reranker". ModelError: its folder cannot be used.
        """
        return read_reranker_spec(name, self._folder(name))

    def loaded(self, name: str) -> bool:
        """Whether it is in memory."""
        owner = self._owners.get(name)
        return owner is not None and owner.loaded

    def scores(self, name: str, query: str, texts: Sequence[str], timeout_s: float) -> NDArray[np.float32]:
        """Scores of texts for a query: float32, shape (len(texts),), higher is better. The first call loads the model.

        Raises:
            InvalidInput, ModelError: as ``spec``.
            Unavailable: not done within ``timeout_s``, or too many searches wait.
        """
        self._folder(name)
        with self._lock:
            owner = self._owners.get(name)
            if owner is None:
                owner = self._owners[name] = RerankerOwner(name, lambda: self._load(name))
        return owner.scores(query, texts, timeout_s)

    def check(self, name: str) -> None:
        """Raises InvalidInput, code "unknown-reranker", for a name that is not offered."""
        self._folder(name)

    def _folder(self, name: str) -> Path:
        folder = self._folders.get(name)
        if folder is None:
            offered = ", ".join(self._folders) or "none: name some in NEARFIELD_RERANKERS"
            raise InvalidInput(
                f"there is no reranker {name[:80]!r}; offered are {offered}", code="unknown-reranker", pointer="/rerank"
            )
        return folder

    def _load(self, name: str) -> Reranker:
        from services.embedding.rerank.loading import load_reranker  # numpy and torch, where they are needed

        with BUILDING:
            return load_reranker(self.spec(name), self._folder(name))
