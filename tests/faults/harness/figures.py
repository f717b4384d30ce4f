"""Figures of a run, kept until its end: printed as a table, and written as JSON where FAULTS_FIGURES says."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.faults.harness import plan

_TABLE: dict[str, float | str] = {}


def add(what: str, count: float) -> None:
    """Adds to a sum."""
    _TABLE[what] = float(_TABLE.get(what, 0)) + count


def put(what: str, value: float | str) -> None:
    """Sets a figure."""
    _TABLE[what] = value


def spread(what: str, samples: list[float], unit: str = "s") -> None:
    """Notes number, median, p95 and maximum of samples."""
    if samples:
        ordered = sorted(samples)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        middle = ordered[len(ordered) // 2]
        put(what, f"{len(ordered)} samples, p50 {middle:.1f} {unit}, p95 {p95:.1f}, max {ordered[-1]:.1f}")


def table() -> list[str]:
    """The figures as lines."""
    width = max(map(len, _TABLE), default=0)
    return [
        f"{what.ljust(width)}  {f'{value:g}' if isinstance(value, float) else value}" for what, value in _TABLE.items()
    ]


def write() -> None:
    """Writes the figures beside those of an earlier process of the same run."""
    target = os.environ.get("FAULTS_FIGURES")
    if target and _TABLE:
        path = Path(target)
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        mine = {what + os.environ.get("FAULTS_NAME", ""): value for what, value in _TABLE.items()}
        path.write_text(json.dumps({**known, "seed": plan.SEED, "full": plan.FULL, **mine}, indent=2) + "\n", "utf-8")
