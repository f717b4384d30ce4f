"""How many tokens go through the model in one pass: measured once per machine, model, precision and streams."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CANDIDATES = (1024, 2048, 4096)
_ROW_TOKENS = 64
_ROUND_TOKENS = 4096
_LIMIT_S = 4.0
_CLEARLY = 1.05
"""A larger budget must be that much faster: it costs memory, and a query waits longer behind a pass."""

Forward = Callable[[list[list[int]]], object]


def measured_budget(file: Path, forward: Forward, *, streams: int, token_id: int) -> int:
    """The budget kept in ``file``, or one found now (some 2 s) and kept there. The caller holds the model's lock.

    Args:
        forward: one pass over rows of token ids.
        streams: passes that run side by side.
        token_id: any token of the model.
    """
    kept = _read(file)
    if kept:
        return kept
    rates = _measure(forward, streams, token_id)
    chosen = _choose(rates)
    descriptor, name = tempfile.mkstemp(prefix=".budget-", dir=file.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        json.dump(
            {"batch_tokens": chosen, "tokens_per_s": {str(size): round(rate) for size, rate in rates.items()}}, handle
        )
    Path(name).replace(file)
    return chosen


def _read(file: Path) -> int:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))["batch_tokens"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return kept if kept in CANDIDATES else 0


def _measure(forward: Forward, streams: int, token_id: int) -> dict[int, float]:
    """Tokens per second of each candidate: the better of two rounds, taken in turns, within the time limit."""
    rates = dict.fromkeys(CANDIDATES, 0.0)
    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        forward([[token_id] * _ROW_TOKENS])
        for _ in range(2):
            for size in CANDIDATES:
                if time.perf_counter() - started > _LIMIT_S:
                    return rates
                passes = streams * max(1, _ROUND_TOKENS // size)
                rows = [[token_id] * _ROW_TOKENS] * (size // _ROW_TOKENS)
                begun = time.perf_counter()
                list(pool.map(forward, [rows] * passes))
                rates[size] = max(rates[size], passes * size / (time.perf_counter() - begun))
    return rates


def _choose(rates: dict[int, float]) -> int:
    chosen = CANDIDATES[0]
    for size in CANDIDATES[1:]:
        if rates[size] > rates[chosen] * _CLEARLY:
            chosen = size
    return chosen
