"""Models tried and measured in a process of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.children.outside import ChildFailed, run_child
from services.embedding.options import LoadOptions
from services.errors import ModelError

_CHILD = "services.embedding.installing.child"
_PROBE_LIMIT_S = 300.0
_BENCHMARK_LIMIT_S = 120.0
BENCHMARK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What a model costs on this machine.

    Attributes:
        texts_per_s: texts of 20 to 80 words, embedded 64 at a time.
        query_p50_ms: one query of 8 words alone, median of up to 40.
        load_s: from a process with nothing loaded to a model that answers, libraries included.
        memory_bytes: most that the process held.
        runtime: what it ran on.
        precision: of the arithmetic.
        why: why this runtime.
        cores: that the process might use.
    """

    texts_per_s: float
    query_p50_ms: float
    load_s: float
    memory_bytes: int
    runtime: str
    precision: str
    why: str
    cores: int


def try_model(name: str, folder: Path, options: LoadOptions) -> str:
    """Loads a model once and embeds with it; returns its fingerprint.

    Raises:
        ModelError: it cannot be loaded, does not embed, or takes its process with it (code "model-broken").
    """
    try:
        return str(
            run_child(_CHILD, _request("probe", name, options, folder=str(folder)), limit_s=_PROBE_LIMIT_S)[
                "fingerprint"
            ]
        )
    except ChildFailed as error:
        raise ModelError(
            f"the model {name!r} cannot be used: when it was tried, {error.message}; copy the whole model again, or "
            "choose another one",
            code="model-broken",
        ) from error


def measure(name: str, options: LoadOptions, *, budget_s: float = BENCHMARK_S) -> Benchmark:
    """Measures a model for about ``budget_s`` seconds, loading not counted.

    Raises:
        ModelError: it cannot be loaded.
    """
    request = _request("benchmark", name, options, budget_s=budget_s)
    try:
        found: dict[str, Any] = run_child(_CHILD, request, limit_s=_BENCHMARK_LIMIT_S + budget_s)
    except ChildFailed as error:
        raise ModelError(f"the model {name!r} was not measured: {error.message}", code="model-broken") from error
    runtime = found["runtime"]
    return Benchmark(
        texts_per_s=round(float(found["texts_per_s"]), 1),
        query_p50_ms=round(float(found["query_p50_ms"]), 2),
        load_s=round(float(found["load_s"]), 2),
        memory_bytes=int(found["memory_bytes"]),
        runtime=runtime["name"],
        precision=runtime["precision"],
        why=runtime["why"],
        cores=int(found["cores"]),
    )


def _request(task: str, name: str, options: LoadOptions, **more: object) -> dict[str, object]:
    return {
        "task": task,
        "name": name,
        "threads": options.threads,
        "batch_tokens": options.batch_tokens,
        "device": options.device,
        "precision": options.precision,
        "models_dir": str(options.models_dir),
        "cache_dir": str(options.cache_dir),
        **more,
    }
