"""What a job is about, as a redis-om model. The accept script writes these hashes; here they are only read.

They are written there and not by ``save()`` so that a job exists exactly when its documents do. Counters are no part of
the model: redis-om writes whole objects, and two finishes at once would lose one.
"""

from __future__ import annotations

import hashlib
import secrets
import time

import redis
from redis_om import Field, HashModel

from services.errors import SettingsError, Unavailable
from services.ids import PREFIX
from services.ledger import keys
from services.redis_clients import TextClient

LOCK_MS = 10_000
LOCK_PATIENCE_S = 15.0


class JobDescription(HashModel, index=True):  # type: ignore[call-arg, misc]
    """A job's description; ``pk`` is its id. ``number`` rises from job to job; ``created_at`` is in ms."""

    collection_id: str = Field(index=True)
    label: str = ""
    number: int = Field(index=True, sortable=True)
    created_at: int

    class Meta:
        """Where the descriptions lie; ``bind_models`` sets the connection."""

        global_key_prefix = f"{PREFIX}:om"
        model_key_prefix = "job"
        index_name = f"{PREFIX}:om:job:index"


def bind_models(client: TextClient) -> None:
    """Gives the model its connection: one to the ledger, database 0, that decodes replies."""
    JobDescription._meta.database = client


def ensure_job_index(client: TextClient) -> None:
    """Makes the search index of job descriptions, or makes it anew when the model has changed. A step of every start.

    One process does it, the others wait: redis-om's own migration drops an index that another is just making.

    Raises:
        Unavailable: another process holds the lock and does not come to an end.
        SettingsError: this Redis cannot hold the index.
    """
    try:
        _ensure(client)
    except redis.ResponseError as error:
        if "unknown command" in str(error).lower():
            raise SettingsError(
                "the Redis of NEARFIELD_LEDGER_URL has no Query Engine, with which jobs are listed; use Redis 8, "
                "or Redis Stack, or leave both Redis settings empty for embedded servers"
            ) from error
        if "db != 0" in str(error).lower():
            raise SettingsError(
                "NEARFIELD_LEDGER_URL names a database other than 0; the Query Engine, with which jobs are listed, "
                "works only in database 0"
            ) from error
        raise


def _ensure(client: TextClient) -> None:
    schema = JobDescription.redisearch_schema()
    wanted = hashlib.sha256(schema.encode("utf-8")).hexdigest()[:16]
    name, stamp_key = JobDescription._meta.index_name, f"{keys.ROOT}:jobs:index"
    token, deadline = secrets.token_hex(8), time.monotonic() + LOCK_PATIENCE_S
    while not (client.get(stamp_key) == wanted and _exists(client, name)):
        if not client.set(keys.JOB_INDEX_LOCK, token, nx=True, px=LOCK_MS):
            if time.monotonic() > deadline:
                raise Unavailable(
                    "another process has been making the index of jobs for too long; start this one again",
                    code="ledger-unavailable",
                )
            time.sleep(0.05)
            continue
        if _exists(client, name):
            client.execute_command("FT.DROPINDEX", name)
        client.execute_command("FT.CREATE", name, *schema.split())
        while _indexing(client, name) and time.monotonic() < deadline:
            time.sleep(0.01)  # until it has read the jobs that are there, lists would be short
        client.set(stamp_key, wanted)
        if client.get(keys.JOB_INDEX_LOCK) == token:
            client.delete(keys.JOB_INDEX_LOCK)


def _indexing(client: TextClient, name: str) -> bool:
    reply = client.execute_command("FT.INFO", name)
    return str(dict(zip(reply[::2], reply[1::2], strict=True))["indexing"]) != "0"


def _exists(client: TextClient, name: str) -> bool:
    try:
        client.execute_command("FT.INFO", name)
    except redis.ResponseError as error:
        if "no such index" in str(error).lower() or "unknown index" in str(error).lower():
            return False
        raise
    return True
