"""The tasks: decode the payload, call a service, ring again when there is more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from celery import Celery
from redis.exceptions import RedisError

from services.doorbell import BELL_TASK, PAYLOAD_VERSION, PURGE_TASK, TRAIN_TASK, Doorbell
from services.errors import NearfieldError, Unavailable
from services.ingest.pipeline.drain import DrainReport
from workers.heartbeat import Heartbeat

log = logging.getLogger(__name__)


class Drain(Protocol):
    """Works on a collection for a while."""

    def __call__(self, collection_id: str) -> DrainReport:
        """Returns what was done and whether more is due."""
        ...


class Purge(Protocol):
    """Clears a deleted collection for a while."""

    def __call__(self, collection_id: str) -> bool:
        """Returns whether something is left."""
        ...


def register_tasks(
    app: Celery, *, drain: Drain, purge: Purge, train: Callable[[], None], doorbell: Doorbell, heartbeat: Heartbeat
) -> None:
    """Gives ``app`` its tasks. ``train`` returns at once: a model is trained beside the documents.

    A payload is ``{"version": 1, "collection_id": ...}``. One of another version is dropped: it comes from another
    release, and the keeper of this one rings again. Errors end a task quietly for the same reason.
    """

    def on_bell(collection_id: str, version: int = PAYLOAD_VERSION) -> None:
        if not _is_readable(version):
            return
        with heartbeat.working():
            try:
                report = drain(collection_id)
            except (Unavailable, RedisError) as error:
                log.warning("collection %s: %s", collection_id, error)
                return
            except NearfieldError:
                log.exception("collection %s", collection_id)
                return
        if report.done or report.failed:
            log.info("collection %s: %d done, %d failed", collection_id, report.done, report.failed)
        if report.more:
            doorbell.ring(collection_id)

    def on_purge(collection_id: str, version: int = PAYLOAD_VERSION) -> None:
        if not _is_readable(version):
            return
        with heartbeat.working():
            try:
                more = purge(collection_id)
            except (NearfieldError, RedisError) as error:
                log.warning("deleted collection %s: %s", collection_id, error)
                return
        if more:
            doorbell.purge(collection_id)

    def on_train(collection_id: str, version: int = PAYLOAD_VERSION) -> None:
        if _is_readable(version):
            log.debug("a bell for the training %s", collection_id)
            train()

    app.task(name=BELL_TASK, ignore_result=True, shared=False)(on_bell)
    app.task(name=PURGE_TASK, ignore_result=True, shared=False)(on_purge)
    app.task(name=TRAIN_TASK, ignore_result=True, shared=False)(on_train)


def _is_readable(version: int) -> bool:
    if version != PAYLOAD_VERSION:
        log.warning("a message of version %r was dropped; this worker reads version %d", version, PAYLOAD_VERSION)
    return version == PAYLOAD_VERSION
