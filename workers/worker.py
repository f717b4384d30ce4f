"""The consuming loop: Celery's solo worker with our tasks, and a stop that is felt inside a task."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import warnings
from typing import Any

import celery.signals
import celery.worker.state
from celery import Celery
from celery.exceptions import SecurityWarning
from redis.exceptions import RedisError

from services.admission.policy import Resource
from services.doorbell import BELL_QUEUE
from services.ingest.pipeline.drain import BUDGET_S, DrainReport, IngestPipeline
from services.ingest.purge import purge_collection
from services.training.desk import TrainingDesk
from services.wiring import Services
from workers.doorbell import CeleryDoorbell
from workers.hearing import Hearing
from workers.heartbeat import Heartbeat
from workers.tasks import register_tasks

SHARED_S = 1.0
"""A slice while other collections wait: a small upload beside a bulk one needs several turns."""

PAUSED_S = 0.5
"""A slice while there is no room: what waits is looked through for removals."""

DEAF = 3
"""Exit status of a worker that heard no bells; whoever supervises it starts it again."""


class Worker:
    """One process that answers doorbells, one at a time.

    Args:
        app: the Celery application.
        services: built with ``doorbell``.
        doorbell: rung when a slice leaves more to do.
        heartbeat: told of every step.
    """

    def __init__(self, app: Celery, services: Services, doorbell: CeleryDoorbell, heartbeat: Heartbeat) -> None:
        self._app = app

        def waiting() -> int:
            return int(services.ledger_client.llen(BELL_QUEUE))

        self._hearing = Hearing(
            waiting=waiting,
            steps=lambda: heartbeat.counter,
            busy=lambda: heartbeat.busy,
            end=_end_at_once,
        )
        pipeline = IngestPipeline(services, on_progress=heartbeat.progress, is_stopping=is_stopping)

        def drain(collection_id: str) -> DrainReport:
            budget_s = BUDGET_S
            with contextlib.suppress(RedisError):  # a Redis that is away is the pipeline's to tell of
                budget_s = SHARED_S if waiting() else BUDGET_S
            pausing = {shortage.resource for shortage in services.admission.standing().pausing}
            if Resource.DISK in pausing:  # a removal writes, too
                return DrainReport()
            return pipeline.drain(collection_id, PAUSED_S if pausing else budget_s, removals_only=bool(pausing))

        def purge(collection_id: str) -> bool:
            return purge_collection(services, collection_id, on_progress=heartbeat.progress)

        self._training = TrainingDesk(
            settings=services.settings,
            trainings=services.trainings,
            installed=services.installed,
            collections=services.collections,
            admission=services.admission,
            is_stopping=is_stopping,
        )
        register_tasks(app, drain=drain, purge=purge, train=self._training.wake, doorbell=doorbell, heartbeat=heartbeat)

    def run(self) -> int:
        """Consumes until a stop is asked for; returns the process' exit status.

        A queue with something in it that is no message makes Celery leave with an error; starting again is right.
        """
        celery.signals.setup_logging.connect(_leave_logging_alone, weak=False)
        celery.signals.worker_ready.connect(_stop_on_hangup, weak=False)
        celery.signals.worker_ready.connect(lambda **_signal: self._hearing.start(), weak=False)
        warnings.filterwarnings("ignore", category=SecurityWarning)  # root in a container is the operator's choice
        worker = self._app.Worker(
            pool="solo",
            queues=[BELL_QUEUE],
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        try:
            worker.start()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        finally:
            self._hearing.close()
            self._training.close()
        return int(worker.exitcode or 0)


def is_stopping() -> bool:
    """Whether SIGTERM has come: Celery notes it and waits for the task, which asks here and ends early."""
    state = celery.worker.state
    return any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))


def _end_at_once() -> None:
    """Ends the process from a side thread. The main thread waits in Celery's loop and would not hear of it."""
    logging.shutdown()
    os._exit(DEAF)


def _leave_logging_alone(**_signal: Any) -> None:
    """Celery sets logging up only where nobody answers this signal."""


def _stop_on_hangup(**_signal: Any) -> None:
    """Celery would replace the process by a new one on SIGHUP, with a command line that is not ours."""
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
