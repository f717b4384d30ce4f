"""Loads rerankers with sentence-transformers, whole ones only, and scores in batches of our own.

The three families: a cross-encoder reads question and passage together (Nogueira and Cho 2019, "Passage re-ranking
with BERT"); ColBERT compares their token vectors (Khattab and Zaharia 2020); SPLADE compares the vocabulary words
that each one stands for (Formal et al. 2021).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.vocabulary import check_vocabulary
from services.embedding.batching import plan_batches
from services.embedding.model_tokens import ModelTokens
from services.embedding.options import DEFAULT_BATCH_TOKENS
from services.embedding.rerank.protocol import COLBERT, CROSS_ENCODER, SPLADE, Reranker, RerankerSpec, Tick
from services.errors import ModelError

_CLASSES = {SPLADE: "SparseEncoder", COLBERT: "MultiVectorEncoder", CROSS_ENCODER: "CrossEncoder"}
_UNLIMITED_TOKENS = 100_000
_DEFAULT_TOKENS = 512
_PROBE = ("which file holds the settings?", ("It is read once.", ""))


class LibraryReranker(ABC):
    """A ``Reranker`` over a model of sentence-transformers; each family says how a batch is scored.

    Args:
        spec: what ``model`` is.
        model: loaded, on the CPU, in evaluation mode.
        batch_tokens: budget of a forward pass, rows times longest row.
    """

    def __init__(self, spec: RerankerSpec, model: Any, *, batch_tokens: int = DEFAULT_BATCH_TOKENS) -> None:
        self.spec = spec
        self._model = model
        self._batch_tokens = batch_tokens
        self._tokens = ModelTokens(model.tokenizer)
        self._limit = int(model.max_seq_length)

    def scores(self, query: str, texts: Sequence[str], tick: Tick) -> NDArray[np.float32]:
        """See ``Reranker.scores``."""
        found = np.empty(len(texts), dtype=np.float32)
        asked = self._ask(query)
        beside = self._tokens.count(query) if self.spec.family == CROSS_ENCODER else 0
        lengths = [min(self._limit, length + beside + 3) for length in self._tokens.lengths(texts)]
        for batch in plan_batches(lengths, budget_tokens=self._batch_tokens):
            tick()
            found[batch] = self._score(asked, [texts[position] for position in batch])
        return found

    def _ask(self, query: str) -> Any:
        """What is made of the query once."""
        return query

    @abstractmethod
    def _score(self, asked: Any, texts: list[str]) -> NDArray[np.float32]:
        """Scores of texts that go through the model together."""


class CrossEncoderReranker(LibraryReranker):
    """Question and passage go through the model as one text; its head gives the score."""

    def _score(self, asked: Any, texts: list[str]) -> NDArray[np.float32]:
        pairs = [(asked, text) for text in texts]
        scores: NDArray[np.float32] = self._model.predict(pairs, batch_size=len(pairs), show_progress_bar=False)
        return scores


class ColbertReranker(LibraryReranker):
    """MaxSim: the sum over the query's tokens of the largest product with any token of the text.

    s(q, d) = sum_i max_j q_i . d_j, token vectors of length 1 (Khattab and Zaharia 2020, "ColBERT: Efficient and
    effective passage search via contextualized late interaction over BERT", equation 3). Which tokens count, and how
    a query is filled up, is the model's own.
    """

    def _ask(self, query: str) -> Any:
        return self._model.encode_query([query], show_progress_bar=False, convert_to_numpy=False)

    def _score(self, asked: Any, texts: list[str]) -> NDArray[np.float32]:
        found = self._model.encode_document(
            texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=False
        )
        return np.asarray(self._model.similarity(asked, found)[0].float().numpy(), dtype=np.float32)


class SpladeReranker(LibraryReranker):
    """The product of two vectors over the vocabulary.

    w_j = max_i log(1 + relu(logit_ij)) over the tokens i of a text (Formal et al. 2021, "SPLADE v2"; a folder may ask
    for the sum instead of the maximum), s(q, d) = sum_j w_j(q) w_j(d).
    """

    def _ask(self, query: str) -> Any:
        return self._model.encode_query([query], show_progress_bar=False, convert_to_sparse_tensor=False)

    def _score(self, asked: Any, texts: list[str]) -> NDArray[np.float32]:
        found = self._model.encode_document(
            texts, batch_size=len(texts), show_progress_bar=False, convert_to_sparse_tensor=False
        )
        return np.asarray(self._model.similarity(asked, found)[0].float().numpy(), dtype=np.float32)


_RERANKERS: dict[str, Callable[[RerankerSpec, Any], LibraryReranker]] = {
    SPLADE: SpladeReranker,
    COLBERT: ColbertReranker,
    CROSS_ENCODER: CrossEncoderReranker,
}


def load_reranker(spec: RerankerSpec, folder: Path) -> Reranker:
    """Loads a folder that ``read_reranker_spec`` has passed, on the CPU in fp32.

    Raises:
        ModelError: code "model-unreadable" (the library refuses it, weights lack tensors, its tokenizer is another
            model's) or "model-changed" (its scores are no numbers).
    """
    import sentence_transformers
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        model = getattr(sentence_transformers, _CLASSES[spec.family])(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        )
    except Exception as error:  # whatever four libraries raise about a folder means the same
        raise ModelError(
            f"reranker folder {folder} cannot be loaded ({type(error).__name__}: {_first_line(error)}); copy the whole "
            "folder again or choose another model",
            code="model-unreadable",
        ) from error
    model.eval()
    _check_complete(folder, model)
    _limit_length(model)
    reranker = _RERANKERS[spec.family](spec, model)
    _check_scores(folder, reranker)
    return reranker


def _check_complete(folder: Path, model: Any) -> None:
    """The library fills tensors that the weights lack with random numbers; those that were loaded carry a mark.

    A pooler may be absent where token vectors are scored: they do not go through it.
    """
    backbone = model.transformers_model
    if backbone is None:
        return
    headless = type(backbone).__name__.endswith("Model")
    missing = [
        name
        for name, each in backbone.named_parameters()
        if not getattr(each, "_is_hf_initialized", False) and not (headless and "pooler" in name)
    ]
    if missing:
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} tensors, such as {missing[0]}; copy the whole folder again",
            code="model-unreadable",
        )
    check_vocabulary(folder, model.tokenizer.get_vocab(), int(backbone.get_input_embeddings().num_embeddings))


def _limit_length(model: Any) -> None:
    """A tokenizer that states no limit would let a text run past the model's positions."""
    limit = model.max_seq_length
    if limit is None or limit > _UNLIMITED_TOKENS:
        positions = getattr(model.transformers_model.config, "max_position_embeddings", None)
        model.max_seq_length = min(int(positions or _DEFAULT_TOKENS), _DEFAULT_TOKENS)


def _check_scores(folder: Path, reranker: LibraryReranker) -> None:
    """A model that cannot do what its configuration says shows it now, not in somebody's search."""
    query, texts = _PROBE
    try:
        found = reranker.scores(query, texts, lambda: None)
        problem = "" if found.shape == (2,) and np.isfinite(found).all() else f"its scores are {found.tolist()}"
    except Exception as error:  # noqa: BLE001 - a forward pass over a wrong configuration fails in any way there is
        problem = f"{type(error).__name__}: {_first_line(error)}"
    if problem:
        raise ModelError(
            f"the reranker in {folder} does not score texts ({problem}); copy the whole folder again",
            code="model-changed",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
