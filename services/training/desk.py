"""Where a worker trains models: a thread that takes trainings in hand one after the other and watches over a child.

The child does the work; the thread renews the lease, passes progress on, and ends the child when the training is
cancelled, taken by somebody else, or when the worker stops. What the child has made is installed under the shelf's
lock, with the training's id in its record: an attempt that died between that and its last word is not done twice.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from services.admission.gate import Admission
from services.admission.policy import Resource
from services.children.outside import ChildFailed, Stopped, run_child
from services.collections.store import CollectionStore
from services.embedding.installing.models import InstalledModels
from services.embedding.installing.pulling import make_record
from services.embedding.installing.record import Training
from services.embedding.resolving import read_spec
from services.errors import NearfieldError, NotFound, Unavailable
from services.ids import new_token
from services.settings import Settings
from services.training.store import TrainingStore
from services.training.values import Progress, TrainingRun, TrainingState

log = logging.getLogger(__name__)

CHILD = "services.training.child"
LIMIT_S = 3600.0
SILENCE_S = 300.0
_RENEWALS = 5
"""In the length of a lease."""


class _Watch:
    """The lease of one training while its child works."""

    def __init__(
        self, store: TrainingStore, training_id: str, token: str, is_stopping: Callable[[], bool], lease_ms: int
    ) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._id = training_id
        self._token = token
        self._is_stopping = is_stopping
        self._renewed = 0.0
        self.progress = Progress()
        self.verdict = TrainingState.RUNNING
        """Why the child was ended: PENDING (the worker stops), CANCELLED, FAILED (it is no longer ours)."""

    def hear(self, told: Mapping[str, Any]) -> None:
        """Takes progress in."""
        self.progress = Progress(**told)

    def go_on(self) -> bool:
        """Whether the child may go on. A ledger that is away is no reason to stop: the lease tells when it is back."""
        if self._is_stopping():
            self.verdict = TrainingState.PENDING
        elif time.monotonic() - self._renewed >= self._lease_ms / 1000 / _RENEWALS:
            try:
                ours = self._store.renew(self._id, self._token, self._lease_ms, self.progress)
            except Unavailable:
                ours = True
            self._renewed = time.monotonic()
            if ours is None:
                self.verdict = TrainingState.CANCELLED
            elif not ours:
                self.verdict = TrainingState.FAILED
        return self.verdict is TrainingState.RUNNING


class TrainingDesk:
    """Trains what waits, in a thread of its own; at most one model at a time.

    Args:
        settings: handed to the child; both servers are set.
        is_stopping: asked often; when true, what is in hand is given back.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        trainings: TrainingStore,
        installed: InstalledModels,
        collections: CollectionStore,
        admission: Admission,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._trainings = trainings
        self._installed = installed
        self._collections = collections
        self._admission = admission
        self._is_stopping = is_stopping
        self._closed = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Has the thread look for work; returns at once."""
        with self._lock:
            if self._closed or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._run, name="training", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Gives back what is in hand and ends the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while self.work_once():
                pass
        except (NearfieldError, RedisError) as error:
            log.warning("training: %s", error)
        except Exception:  # the thread's last word; the keeper has another one looked for
            log.exception("training")

    def work_once(self) -> bool:
        """Trains the next model that waits; False when there is none, no room, or the worker stops.

        Raises:
            Unavailable: the ledger does not answer; whatever was in hand is taken up again when its lease has ended.
        """
        if self._stops() or any(s.resource is Resource.DISK for s in self._admission.standing().pausing):
            return False
        for training_id in self._trainings.due():
            token = new_token()
            training = self._trainings.claim(training_id, token, self._settings.lease_ms)
            if training is not None:
                self._work_on(training, token)
                return not self._stops()
        return False

    def _stops(self) -> bool:
        return self._closed or self._is_stopping()

    def _work_on(self, training: TrainingRun, token: str) -> None:
        wish, store = training.wish, self._trainings
        log.info("training %s: %s as %r on %s", training.id, wish.family, wish.name, wish.collection)
        watch = _Watch(store, training.id, token, self._stops, self._settings.lease_ms)
        try:
            self._train(training, watch)
        except Stopped:
            self._ended(training, token, watch.verdict)
        except (ChildFailed, Unavailable) as error:
            if isinstance(error, ChildFailed) and not error.again:
                store.finish(training.id, token, TrainingState.FAILED, error.code, error.message)
            else:
                store.try_again(training.id, token, error.code, error.message)
            log.warning("training %s: %s", training.id, error.message)
        except NearfieldError as error:
            store.finish(training.id, token, TrainingState.FAILED, error.code, error.message)
            log.warning("training %s failed: %s", training.id, error.message)
        else:
            store.finish(training.id, token, TrainingState.READY)
            log.info("training %s: the model %r is installed", training.id, wish.name)

    def _ended(self, training: TrainingRun, token: str, verdict: TrainingState) -> None:
        if verdict is TrainingState.PENDING:
            self._trainings.give_back(training.id, token)
        elif verdict is TrainingState.CANCELLED:
            self._trainings.finish(training.id, token, TrainingState.CANCELLED)
        log.info("training %s was ended: %s", training.id, verdict.value)

    def _train(self, training: TrainingRun, watch: _Watch) -> None:
        wish, shelf = training.wish, self._installed.shelf
        if _made_by(self._installed, wish.name) == training.id:
            return
        if self._collections.by_id(wish.collection_id) is None or wish.collection_id in self._collections.deleted_ids():
            raise NotFound(f"the collection {wish.collection!r} was deleted meanwhile", code="unknown-collection")
        with shelf.in_the_making() as made, shelf.in_the_making() as aside:
            work: dict[str, object] = {
                "family": wish.family,
                "name": wish.name,
                "settings": dict(wish.settings),
                "collection": wish.collection,
                "collection_id": wish.collection_id,
                "corpus": str(aside / "corpus"),
                "folder": str(made),
                "models_dir": str(shelf.folder),
                "instance": self._settings.model_dump_json(),
            }
            found = run_child(
                CHILD, work, limit_s=LIMIT_S, silence_s=SILENCE_S, on_progress=watch.hear, go_on=watch.go_on
            )
            shutil.rmtree(aside, ignore_errors=True)
            self._install(training, made, int(found["documents"]))

    def _install(self, training: TrainingRun, made: Path, documents: int) -> None:
        wish = training.wish
        source = f"trained on the collection {wish.collection}"
        note = Training(
            id=training.id,
            family=wish.family,
            collection=wish.collection,
            documents=documents,
            settings=wish.settings,
        )
        spec = read_spec(wish.name, made, source=source)
        record = replace(make_record(spec, made, source), training=note)
        self._installed.shelf.put(made, wish.name, record, replace=False, ours=training.id)


def _made_by(installed: InstalledModels, name: str) -> str:
    record = installed.shelf.record(name) if installed.shelf.has(name) else None
    return record.training.id if record is not None and record.training is not None else ""
