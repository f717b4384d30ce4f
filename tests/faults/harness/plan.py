"""The seed and the sizes of the fault suite. One seed drives data, choice and moment of every fault.

``FAULTS_SEED=7`` replays a run, ``FAULTS_FULL=1`` takes the sizes of the figures R1 to R6 and R10,
``FAULTS_MODEL`` runs the kill schedules with another model than ``hash``, ``FAULTS_SCALE`` makes
the full sizes smaller (0.1: a tenth of the documents and of the faults).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

SEED = int(os.environ.get("FAULTS_SEED") or "20261120")
FULL = os.environ.get("FAULTS_FULL") == "1"
MODEL = os.environ.get("FAULTS_MODEL") or "hash"
SCALE = float(os.environ.get("FAULTS_SCALE") or "1")


@dataclass(frozen=True)
class Size:
    """How much a schedule does: documents to begin with, and faults of each kind."""

    documents: int
    faults: int


def size(short: Size, full: Size) -> Size:
    """The size that was asked for."""
    if not FULL:
        return short
    return Size(max(100, round(full.documents * SCALE)), max(1, round(full.faults * SCALE)))


def dice(purpose: str) -> random.Random:
    """Random numbers for one purpose, the same for the same seed whatever else the run throws."""
    return random.Random(f"{SEED}/{purpose}")


def pauses() -> tuple[float, ...]:
    """How long a killed server stays away, s: 0, 2 and 20 in the full form."""
    return (0.0, 2.0, 20.0) if FULL and SCALE >= 1 else (0.0, 0.3, 1.5)
