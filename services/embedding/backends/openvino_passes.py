"""Forward passes through a converted graph, compiled for many at once or for one as soon as possible."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedding.backends.quiet_openvino import import_openvino

_REQUESTS_PER_STREAM = 2
_HINTS = {"bf16": "bf16", "fp32": "f32"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How cores are shared out.

    Attributes:
        streams: passes that run side by side.
        threads: cores that they have together.
        step: rows are as long as a multiple of this. A new length has the runtime prepare its kernels again, and a
            token of padding costs as much as a real one.
        step_alone: the same for a pass of one row, where the first costs more than the second.
    """

    streams: int
    threads: int
    step: int
    step_alone: int


class Passes:
    """A graph, compiled when its first pass comes: that takes 0.3 s and, for MiniLM, some 120 MB.

    Args:
        graph: the file.
        precision: "bf16" or "fp32".
        plan: how cores are shared out.
        pad_id: token that fills the ends of short rows.
        dim: numbers of a vector.
        max_tokens: of a row; it is not rounded up beyond that.
    """

    def __init__(self, graph: Path, precision: str, plan: Plan, *, pad_id: int, dim: int, max_tokens: int) -> None:
        self.plan = plan
        self._graph = graph
        self._precision = precision
        self._pad_id = pad_id
        self._dim = dim
        self._max_tokens = max_tokens
        self._compiling = threading.Lock()
        self._requests: SimpleQueue[Any] | None = None

    def rounded(self, tokens: int, rows: int = 2) -> int:
        """How long a row of so many tokens is made among so many."""
        step = self.plan.step if rows > 1 else self.plan.step_alone
        return max(1, min(-(-tokens // step) * step, max(tokens, self._max_tokens)))

    def forward(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """One pass over rows of token ids: float32, shape (rows, dim), length 1 each."""
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(self.rounded(int(lengths.max(initial=1)), len(rows))) < lengths[:, None]
        ids = np.full(mask.shape, self._pad_id, dtype=np.int64)
        ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
        free = self._compiled()
        request = free.get()
        try:
            request.infer([ids, mask.astype(np.int64)], share_inputs=True, share_outputs=True)
            vectors = np.array(request.get_output_tensor(0).data[:, : self._dim], dtype=np.float32)
        finally:
            free.put(request)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _compiled(self) -> SimpleQueue[Any]:
        """Requests that are free; each can carry one pass at a time."""
        with self._compiling:
            if self._requests is None:
                settings = {
                    "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
                    "NUM_STREAMS": self.plan.streams,
                    "INFERENCE_NUM_THREADS": self.plan.threads,
                    # Pinned threads of two processes share one core while another is idle.
                    "ENABLE_CPU_PINNING": False,
                }
                compiled = import_openvino().Core().compile_model(str(self._graph), "CPU", settings)
                requests: SimpleQueue[Any] = SimpleQueue()
                for _ in range(self.plan.streams * _REQUESTS_PER_STREAM):
                    requests.put(compiled.create_infer_request())
                self._requests = requests
            return self._requests
