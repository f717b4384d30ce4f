"""The OpenVINO backend at work: own tokenising, batches of nearly equal lengths, one pass on each core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.converted import GRAPH, TOKENIZER, Converted
from services.embedding.backends.openvino_passes import Passes, Plan
from services.embedding.batching import WINDOW_ROWS, plan_batches, share_budget
from services.embedding.model_tokens import FileTokens
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec, Role
from services.embedding.texts import prepare_texts

if TYPE_CHECKING:
    from tokenizers import Encoding

# 8 took less processor time per document than 1, 4 or 16. A lone query of another length than the one before costs
# 1 to 2 ms more, and 16 tokens instead of 8 0.2 ms; 32 queries of 17 tokens as 32 of 32 cost twice their time.
_DOCUMENT_STEP = 8
_QUERY_STEP = 4
_LONE_QUERY_STEP = 16
# 32 queries of 16 tokens in one pass: a larger one makes the first wait longer and gains nothing.
_QUERY_PASS_TOKENS = 512
# From here on queries are a job like documents, and passes side by side win.
_QUERY_JOB_TOKENS = 4096
_LEAST_TOKENS = 128
_CHARS_PER_TOKEN = 4


class OpenVinoEmbedder:
    """An ``Embedder`` over a converted model. Neither torch nor transformers is imported.

    Passes of documents run on one core each, as many side by side as there are cores: two cores in one pass wait for
    each other some hundred times in it. Queries have all cores in one pass at a time: a lone one of 16 tokens takes
    1.5 ms instead of 2.6, and 16 of them 10 ms on two cores instead of 17 on one.

    Args:
        spec: what the folder was converted from.
        folder: a ``ConvertedModels.place``.
        converted: its record.
        runtime: what it says of itself; decides the precision.
        streams: passes that run side by side.
        batch_tokens: budget of one pass.
    """

    def __init__(
        self,
        spec: ModelSpec,
        folder: Path,
        converted: Converted,
        *,
        runtime: Runtime,
        streams: int,
        batch_tokens: int,
    ) -> None:
        self.spec = spec
        self.runtime = runtime
        self.tokens = FileTokens(folder / TOKENIZER)
        self.special_tokens = converted.special_tokens
        self.batch_tokens = batch_tokens
        self._streams = streams
        self._cut = FileTokens(folder / TOKENIZER, max_tokens=spec.max_tokens)

        def passes(plan: Plan) -> Passes:
            graph, longest = folder / GRAPH, spec.max_tokens
            return Passes(graph, runtime.precision, plan, pad_id=converted.pad_id, dim=spec.dim, max_tokens=longest)

        self._documents = passes(Plan(streams=streams, threads=streams, step=_DOCUMENT_STEP, step_alone=_DOCUMENT_STEP))
        self._queries = passes(Plan(streams=1, threads=streams, step=_QUERY_STEP, step_alone=_LONE_QUERY_STEP))
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="embedding")

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``."""
        prepared = self._prepare(texts, Role.QUERY)
        if sum(map(len, prepared)) > _QUERY_JOB_TOKENS * _CHARS_PER_TOKEN:
            return self._embed(prepared)
        encodings = self._cut.encode(prepared)
        lengths = [self._queries.rounded(len(each)) for each in encodings]
        vectors = np.empty((len(prepared), self.spec.dim), dtype=np.float32)
        for batch in plan_batches(lengths, budget_tokens=_QUERY_PASS_TOKENS):
            vectors[batch] = self._queries.forward([encodings[position].ids for position in batch])
        return vectors

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``."""
        return self._embed(self._prepare(texts, Role.DOCUMENT))

    def forward(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """One pass over documents' rows of token ids on one core: float32, shape (rows, dim), length 1 each."""
        return self._documents.forward(rows)

    def token_ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        """What goes through the model for these texts: prompt, special tokens and the cut included."""
        return [list(each.ids) for each in self._cut.encode(self._prepare(texts, role))]

    def _prepare(self, texts: Sequence[str], role: Role) -> list[str]:
        prompt = self.spec.prompt(role)
        return [prompt + text for text in prepare_texts(texts, self.spec.max_tokens)]

    def _embed(self, prepared: list[str]) -> NDArray[np.float32]:
        if len(prepared) == 1:
            return self.forward([self._cut.encode(prepared)[0].ids])
        vectors = np.empty((len(prepared), self.spec.dim), dtype=np.float32)
        before: list[Future[None]] = []
        for start in range(0, len(prepared), WINDOW_ROWS):
            # a window is tokenised while the one before it goes through the model
            encodings = self._cut.encode(prepared[start : start + WINDOW_ROWS])
            passes = self._submit_passes(encodings, vectors[start : start + WINDOW_ROWS])
            _finish(before)
            before = passes
        _finish(before)
        return vectors

    def _submit_passes(self, encodings: list[Encoding], vectors: NDArray[np.float32]) -> list[Future[None]]:
        def embed(batch: list[int]) -> None:
            vectors[batch] = self.forward([encodings[position].ids for position in batch])

        lengths = [self._documents.rounded(len(each)) for each in encodings]
        budget_tokens = share_budget(lengths, self._streams, limit_tokens=self.batch_tokens, least_tokens=_LEAST_TOKENS)
        return [self._pool.submit(embed, batch) for batch in plan_batches(lengths, budget_tokens=budget_tokens)]


def _finish(passes: list[Future[None]]) -> None:
    for each in passes:
        each.result()
