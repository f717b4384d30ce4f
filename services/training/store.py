"""Where trainings are kept: in keys of their own on the ledger Redis. Every change is one Lua script.

``nf:t:d:<id>`` record; ``nf:t:all`` ids by time; ``nf:t:active`` model's name to the training that is to make it. A
training in hand has a token and a lease: a worker that is gone loses it when the lease ends, one that comes back too
late has no token any more. Every script may be repeated. Errors of Redis come out as Unavailable or StorageFull.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, TypeVar

from services.errors import Conflict, NotFound
from services.ids import PREFIX, new_job_id
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client
from services.training.values import MAX_ATTEMPTS, Progress, TrainingRun, TrainingState, Wish

T = TypeVar("T")
ROOT = f"{PREFIX}:t"
ALL_KEY = f"{ROOT}:all"
ACTIVE_KEY = f"{ROOT}:active"
RECORD_PREFIX = f"{ROOT}:d:"
KEPT = 200
MAX_WAITING = 50
_SCRIPTS = ("create", "claim", "renew", "finish", "cancel", "due")


class TrainingStore:
    """Trainings; safe to share between threads.

    Args:
        client: of the ledger Redis, replies as bytes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        folder = files("services.training").joinpath("lua")
        self._scripts: dict[str, Any] = {
            name: client.register_script(folder.joinpath(f"{name}.lua").read_text("utf-8")) for name in _SCRIPTS
        }

    # -- for people -----------------------------------------------------------------------------------------

    def create(self, wish: Wish) -> TrainingRun:
        """Takes a training in.

        Raises:
            Conflict: a model of that name is being trained (code "model-in-training"), or too much is waiting.
        """
        if self._run(lambda: self._client.hlen(ACTIVE_KEY)) >= MAX_WAITING:
            raise Conflict(
                f"{MAX_WAITING} models are waiting to be trained; cancel one first", code="too-many-trainings"
            )
        training_id = new_job_id()
        holder = self._call(
            "create", [_record(training_id), ALL_KEY, ACTIVE_KEY], [training_id, wish.name, _wish_text(wish)]
        )
        if holder.decode() != training_id:
            raise Conflict(
                f"a model named {wish.name!r} is being trained already (training {holder.decode()}); choose another "
                "name, or cancel that one",
                code="model-in-training",
                pointer="/name",
            )
        self._forget_old()
        return self.get(training_id)

    def get(self, training_id: str) -> TrainingRun:
        """A training by its id.

        Raises:
            NotFound: code "unknown-training".
        """
        fields = self._run(lambda: self._client.hgetall(_record(training_id))) if training_id.isalnum() else {}
        if not fields:
            raise NotFound(
                f"no training {training_id[:40]!r}; the list of trainings names those that are remembered",
                code="unknown-training",
                pointer="/training_id",
            )
        return _training(training_id, fields)

    def list(self) -> list[TrainingRun]:
        """All that are remembered, the latest first."""
        ids = [member.decode() for member in self._run(lambda: self._client.zrevrange(ALL_KEY, 0, KEPT - 1))]

        def read() -> list[dict[bytes, bytes]]:
            pipe: Any = self._client.pipeline(transaction=False)
            for training_id in ids:
                pipe.hgetall(_record(training_id))
            found: list[dict[bytes, bytes]] = pipe.execute()
            return found

        rows = self._run(read) if ids else []
        return [_training(training_id, fields) for training_id, fields in zip(ids, rows, strict=True) if fields]

    def cancel(self, training_id: str) -> TrainingRun:
        """Cancels what waits, and has what runs ended; nothing happens to what is finished. Raises as ``get``."""
        self.get(training_id)
        self._call("cancel", [_record(training_id), ACTIVE_KEY], [])
        return self.get(training_id)

    # -- for workers ----------------------------------------------------------------------------------------

    def due(self) -> Sequence[str]:
        """Ids of trainings that wait for a worker, or whose worker has gone silent; the oldest first."""
        return [member.decode() for member in self._call("due", [ACTIVE_KEY], [RECORD_PREFIX])]

    def claim(self, training_id: str, token: str, lease_ms: int) -> TrainingRun | None:
        """Takes a training in hand; None when somebody else has it, it is finished, or it was tried too often."""
        keys = [_record(training_id), ACTIVE_KEY]
        return self.get(training_id) if self._call("claim", keys, [token, lease_ms, MAX_ATTEMPTS]) else None

    def renew(self, training_id: str, token: str, lease_ms: int, progress: Progress) -> bool | None:
        """Keeps it in hand. True: go on; None: it is to be cancelled; False: it is no longer ours."""
        reply = self._call("renew", [_record(training_id)], [token, lease_ms, _progress_text(progress)])
        return None if reply == 2 else bool(reply)

    def finish(self, training_id: str, token: str, state: TrainingState, code: str = "", reason: str = "") -> bool:
        """Ends it, finally; False when it was no longer ours."""
        return self._finish(training_id, token, state.value, code, reason) is not None

    def try_again(self, training_id: str, token: str, code: str, reason: str) -> TrainingState | None:
        """Ends an attempt that may go better another time; it fails with this reason if it was the last one."""
        return self._finish(training_id, token, "again", code, reason)

    def give_back(self, training_id: str, token: str) -> None:
        """Has it wait again as if it had not been touched."""
        self._finish(training_id, token, "back", "", "")

    def _finish(self, training_id: str, token: str, state: str, code: str, reason: str) -> TrainingState | None:
        keys = [_record(training_id), ACTIVE_KEY]
        reply = self._call("finish", keys, [token, state, code, reason[:1000], MAX_ATTEMPTS])
        return TrainingState(reply.decode()) if reply else None

    def _forget_old(self) -> None:
        """Finished ones beyond the number that is kept go, the oldest first."""
        ids = self._run(lambda: self._client.zrevrange(ALL_KEY, KEPT, -1))
        active = set(self._run(lambda: self._client.hvals(ACTIVE_KEY)))
        for training_id in ids:
            if training_id not in active:
                self._run(lambda old=training_id: self._client.delete(_record(old.decode())))  # type: ignore[misc]
                self._run(lambda old=training_id: self._client.zrem(ALL_KEY, old))  # type: ignore[misc]

    def _call(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return self._run(lambda: self._scripts[script](keys=keys, args=arguments))

    def _run(self, call: Callable[[], T]) -> T:
        with redis_errors("ledger"):
            return call()


def _record(training_id: str) -> str:
    return f"{RECORD_PREFIX}{training_id}"


def _wish_text(wish: Wish) -> str:
    return json.dumps(
        {
            "name": wish.name,
            "family": wish.family,
            "collection_id": wish.collection_id,
            "collection": wish.collection,
            "settings": dict(wish.settings),
        }
    )


def _progress_text(progress: Progress) -> str:
    return json.dumps([progress.step, progress.documents, progress.texts, progress.seconds])


def _training(training_id: str, fields: dict[bytes, bytes]) -> TrainingRun:
    def moment(name: bytes) -> int | None:
        return int(fields[name]) if name in fields else None

    progress = fields.get(b"progress")
    return TrainingRun(
        id=training_id,
        wish=Wish(**json.loads(fields[b"wish"])),
        state=TrainingState(fields[b"state"].decode()),
        attempts=int(fields[b"attempts"]),
        progress=Progress(*json.loads(progress)) if progress else Progress(),
        code=fields.get(b"code", b"").decode(),
        reason=fields.get(b"reason", b"").decode(),
        created_at=int(fields[b"created"]),
        started_at=moment(b"started"),
        finished_at=moment(b"finished"),
        cancelling=b"cancel" in fields and fields[b"state"] == b"running",
    )
