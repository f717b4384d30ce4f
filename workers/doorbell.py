"""The doorbell of workers and keeper: a Celery message, sent from where it is rung; nobody waits for an answer here."""

from __future__ import annotations

import logging

from celery import Celery

from services.doorbell import BELL_QUEUE, BELL_TASK, PAYLOAD_VERSION, PURGE_TASK, TRAIN_TASK

log = logging.getLogger(__name__)


class CeleryDoorbell:
    """Rings by publishing through ``app``. What cannot be sent is dropped: the keeper rings again within seconds."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, collection_id: str) -> None:
        """Tells the workers that a collection has documents to claim."""
        self._send(BELL_TASK, collection_id)

    def purge(self, collection_id: str) -> None:
        """Tells the workers to clear what a deleted collection left behind."""
        self._send(PURGE_TASK, collection_id)

    def train(self, training_id: str) -> None:
        """Tells a worker that a model waits to be trained."""
        self._send(TRAIN_TASK, training_id)

    def _send(self, task: str, collection_id: str) -> None:
        try:
            self._app.send_task(
                task,
                kwargs={"version": PAYLOAD_VERSION, "collection_id": collection_id},
                queue=BELL_QUEUE,
                retry=False,
                ignore_result=True,
            )
        except Exception as error:  # noqa: BLE001 - whatever the broker fails with, losing a bell is no error
            log.warning("the doorbell of collection %s was not heard (%s)", collection_id, type(error).__name__)
