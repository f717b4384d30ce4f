"""The web process's doorbell: a producer-only Celery client whose messages are sent by a thread of its own.

A broker that hangs would hold a publishing request for many seconds; so a request only leaves a note here. Notes for
the same collection melt together. A message that cannot be sent is dropped: the keeper rings again within seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from celery import Celery

from services.doorbell import BELL_QUEUE, BELL_TASK, PAYLOAD_VERSION, PURGE_TASK, TRAIN_TASK
from services.redis_clients import broker_url

log = logging.getLogger(__name__)

MAX_NOTES = 10_000
SOCKET_TIMEOUT_S = 3

Send = Callable[[str, str], None]


def celery_sender(ledger_url: str) -> Send:
    """A function that publishes (task name, collection id) to the workers' queue; it may raise what kombu raises."""
    app = Celery("nearfield-web", broker=broker_url(ledger_url), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_max_retries=0,
        broker_transport_options={
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": SOCKET_TIMEOUT_S,
            "max_retries": 0,
        },
    )

    def send(task: str, collection_id: str) -> None:
        app.send_task(
            task,
            kwargs={"version": PAYLOAD_VERSION, "collection_id": collection_id},
            queue=BELL_QUEUE,
            retry=False,
            ignore_result=True,
        )

    return send


class ThreadedDoorbell:
    """Rings from a thread of its own; ``ring`` and ``purge`` cost a lock and never raise.

    Args:
        send: publishes one message; whatever it raises is logged and forgotten.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._notes: dict[tuple[str, str], None] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def ring(self, collection_id: str) -> None:
        """Has the workers told that a collection has documents to claim."""
        self._leave(BELL_TASK, collection_id)

    def purge(self, collection_id: str) -> None:
        """Has the workers told to clear what a deleted collection left behind."""
        self._leave(PURGE_TASK, collection_id)

    def train(self, training_id: str) -> None:
        """Has a worker told that a model waits to be trained."""
        self._leave(TRAIN_TASK, training_id)

    def close(self) -> None:
        """Ends the thread after at most one more message; notes that are left are dropped."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(SOCKET_TIMEOUT_S)

    def _leave(self, task: str, collection_id: str) -> None:
        with self._wake:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()
            if len(self._notes) < MAX_NOTES:
                self._notes[task, collection_id] = None
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._notes or self._closed)
                if self._closed:
                    return
                task, collection_id = next(iter(self._notes))
                del self._notes[task, collection_id]
            try:
                self._send(task, collection_id)
            except Exception as error:  # noqa: BLE001 - whatever the broker fails with, the keeper rings again
                log.warning("the doorbell of collection %s was not heard (%s)", collection_id, type(error).__name__)
