"""The doorbell: a hint to the workers that a collection has work. Losing one costs seconds, never a document."""

from __future__ import annotations

from typing import Protocol

BELL_TASK = "nearfield.drain"
PURGE_TASK = "nearfield.purge"
TRAIN_TASK = "nearfield.train"
BELL_QUEUE = "nearfield"
PAYLOAD_VERSION = 1


class Doorbell(Protocol):
    """Whatever can wake the workers. ``ring`` returns at once, never raises, and may fail silently."""

    def ring(self, collection_id: str) -> None:
        """Tells the workers that ``collection_id`` has documents to claim."""

    def purge(self, collection_id: str) -> None:
        """Tells the workers to clear what a deleted collection left behind."""

    def train(self, training_id: str) -> None:
        """Tells a worker that a model waits to be trained."""


class SilentDoorbell:
    """Rings nothing: offline commands, and tests that drain by hand."""

    def ring(self, collection_id: str) -> None:
        """Does nothing."""

    def purge(self, collection_id: str) -> None:
        """Does nothing."""

    def train(self, training_id: str) -> None:
        """Does nothing."""
