"""Kombu's Redis transport with an ear for what is no doorbell: that is dropped before Celery meets it.

Celery 5.7 ends itself over an item that is not JSON. Worse, a message whose body is ``null`` ends it *after* it was
noted as unacknowledged: on its way out it puts the message back, and so ends every worker that follows.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from services.doorbell import BELL_TASK, PURGE_TASK, TRAIN_TASK

log = logging.getLogger(__name__)

TASKS = (BELL_TASK, PURGE_TASK, TRAIN_TASK)
ARGUMENTS = {"version", "collection_id"}
JSON_TYPE = "application/json"


def is_bell(message: object) -> bool:
    """Whether something from the queue is a message that ``CeleryDoorbell`` sends."""
    match message:
        case {
            "headers": {"task": str(task), "id": str()},
            "properties": {"delivery_tag": str(), "delivery_info": dict(), "body_encoding": str(encoding)},
            "content-type": str(content_type),
            "body": str(body),
        }:
            return task in TASKS and content_type == JSON_TYPE and _is_call(body, encoding)
    return False


def _is_call(body: str, encoding: str) -> bool:
    """Whether a body is Celery's [arguments, named arguments, options] with the two that a bell has."""
    try:
        call = json.loads(base64.b64decode(body, validate=True) if encoding == "base64" else body)
    except (ValueError, RecursionError):
        return False
    match call:
        case [[], {**named}, dict()]:
            return named.keys() <= ARGUMENTS and isinstance(named.get("collection_id"), str)
    return False


class BellChannel(kombu_redis.Channel):
    """Reads the queue; what cannot be read is dropped."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except (ValueError, RecursionError) as error:  # from reading the item: it has left the queue already
            log.warning("something that is no message was dropped from the queue (%s)", type(error).__name__)
            return True


class BellTransport(kombu_redis.Transport):
    """Hands on doorbells, and nothing else."""

    Channel = BellChannel

    def _deliver(self, message: Any, queue: str) -> None:
        if is_bell(message):
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        else:
            log.warning("a message that is no doorbell was dropped from the queue: %.200r", message)


def use_bell_transport() -> None:
    """Takes the place of Kombu's own transport in this process, under the names by which URLs choose it."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{BellTransport.__name__}"))
