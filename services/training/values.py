"""A training as the rest of the product sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.embedding.families import Setting

MAX_ATTEMPTS = 3


class TrainingState(StrEnum):
    """How far a training is. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({TrainingState.READY, TrainingState.FAILED, TrainingState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: a model of ``family``, called ``name``, learned from the documents of a collection."""

    name: str
    family: str
    collection_id: str
    collection: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the present attempt is.

    Attributes:
        step: "reading" (documents are read), "training" or "checking"; "" before the first.
        documents: texts read so far; afterwards, how many there are.
        texts: texts that the trainer has gone over, all passes together.
        seconds: since the attempt began.
    """

    step: str = ""
    documents: int = 0
    texts: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """A training and how far it is; times are ms since 1970, None for what has not happened.

    ``cancelling`` while it runs and somebody has asked for its end.
    """

    id: str
    wish: Wish
    state: TrainingState
    attempts: int
    progress: Progress
    code: str
    reason: str
    created_at: int
    started_at: int | None
    finished_at: int | None
    cancelling: bool = False
