"""The OpenVINO backend at work: own tokenising, batches of nearly equal lengths, one pass on each core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.converted import GRAPH, TOKENIZER, Converted
from services.embedding.backends.quiet_openvino import import_openvino
from services.embedding.batching import WINDOW_ROWS, plan_batches, share_budget
from services.embedding.model_tokens import FileTokens
from services.embedding.protocol import Runtime
from services.embedding.spec import ModelSpec, Role
from services.embedding.texts import prepare_texts

if TYPE_CHECKING:
    from tokenizers import Encoding

# Rows are as long as a multiple of this. Each new length has the runtime prepare its kernels again, and each
# token of padding costs as much as a real one: 8 took less processor time per document than 1, 4 or 16.
LENGTH_STEP = 8
# 32 short queries are two passes of 16 on two cores: in bf16 one among 16 costs 1.2 ms of a core, alone 2.8.
_LEAST_TOKENS = 128
_REQUESTS_PER_STREAM = 2
_HINTS = {"bf16": "bf16", "fp32": "f32"}


class OpenVinoEmbedder:
    """An ``Embedder`` over a converted model. Neither torch nor transformers is imported.

    Each forward pass runs on one core and as many run side by side as there are cores: two cores in one pass wait for
    each other some hundred times in it.

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
        self._pad_id = converted.pad_id
        self._cut = FileTokens(folder / TOKENIZER, max_tokens=spec.max_tokens)
        self._requests = _requests(folder / GRAPH, runtime.precision, streams)
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="embedding")

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_queries``."""
        return self._embed(texts, Role.QUERY)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed_documents``."""
        return self._embed(texts, Role.DOCUMENT)

    def forward(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """One pass over rows of token ids on one core: float32, shape (rows, dim), length 1 each."""
        lengths = np.array([len(row) for row in rows])
        longest = self._rounded(int(lengths.max(initial=1)))
        mask = np.arange(longest) < lengths[:, None]
        ids = np.full(mask.shape, self._pad_id, dtype=np.int64)
        ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        request = self._requests.get()
        try:
            request.infer([ids, mask.astype(np.int64)], share_inputs=True, share_outputs=True)
            vectors = np.array(request.get_output_tensor(0).data[:, : self.spec.dim], dtype=np.float32)
        finally:
            self._requests.put(request)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def token_ids(self, texts: Sequence[str], role: Role) -> list[list[int]]:
        """What goes through the model for these texts: prompt, special tokens and the cut included."""
        return [list(each.ids) for each in self._cut.encode(self._prepare(texts, role))]

    def _prepare(self, texts: Sequence[str], role: Role) -> list[str]:
        prompt = self.spec.prompt(role)
        return [prompt + text for text in prepare_texts(texts, self.spec.max_tokens)]

    def _embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        prepared = self._prepare(texts, role)
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

        lengths = [self._rounded(len(each)) for each in encodings]
        budget_tokens = share_budget(lengths, self._streams, limit_tokens=self.batch_tokens, least_tokens=_LEAST_TOKENS)
        return [self._pool.submit(embed, batch) for batch in plan_batches(lengths, budget_tokens=budget_tokens)]

    def _rounded(self, tokens: int) -> int:
        return max(1, min(-(-tokens // LENGTH_STEP) * LENGTH_STEP, max(tokens, self.spec.max_tokens)))


def _finish(passes: list[Future[None]]) -> None:
    for each in passes:
        each.result()


def _requests(graph: Path, precision: str, streams: int) -> SimpleQueue[Any]:
    """Compiles the graph; each request in the queue can carry one pass at a time."""
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # Pinned threads of two processes share one core while another is idle.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = import_openvino().Core().compile_model(str(graph), "CPU", settings)
    requests: SimpleQueue[Any] = SimpleQueue()
    for _ in range(streams * _REQUESTS_PER_STREAM):
        requests.put(compiled.create_infer_request())
    return requests
