"""Clearing what a deleted collection left on the index Redis: its search indexes first, then its keys, in slices."""

from __future__ import annotations

import re
from contextlib import suppress

import redis

from services.ids import PREFIX, purge_key, rebuild_key
from services.redis_clients import Client

SCAN_COUNT = 1000
_OPAQUE_ID = re.compile(r"[a-z0-9]+")


def purge_keys(client: Client, collection_id: str, limit: int) -> int:
    """Removes keys until ``limit`` is reached; returns how many went.

    The place in the server's keyspace is remembered between calls. Only a whole pass from the start that found nothing
    is answered with 0, because a slow writer may put a key behind the place already passed.

    Raises:
        ValueError: an id that is not one of ours; it would stand in a pattern.
    """
    if not _OPAQUE_ID.fullmatch(collection_id):
        raise ValueError(f"{collection_id!r} is not a collection id")
    _drop_indexes(client, collection_id)
    client.execute_command("DEL", rebuild_key(collection_id))
    cursor = int(client.execute_command("GET", purge_key(collection_id)) or 0)
    from_start = cursor == 0
    removed = 0
    while removed < limit:
        cursor, keys = _scan(client, cursor, collection_id, min(limit, SCAN_COUNT))
        if keys:
            removed += int(client.execute_command("UNLINK", *keys))
        if cursor == 0:
            if removed or from_start:
                break
            from_start = True
    if cursor:
        client.execute_command("SET", purge_key(collection_id), cursor)
    else:
        client.execute_command("DEL", purge_key(collection_id))
    return removed


def _scan(client: Client, cursor: int, collection_id: str, count: int) -> tuple[int, list[bytes]]:
    """One step of SCAN over chunks, heads, counters and signatures of a collection."""
    pattern = f"{PREFIX}:[chns]:{collection_id}:*"
    following, keys = client.execute_command("SCAN", cursor, "MATCH", pattern, "COUNT", count)
    return int(following), list(keys)


def _drop_indexes(client: Client, collection_id: str) -> None:
    beginning = f"{PREFIX}:ix:{collection_id}:".encode()
    for name in client.execute_command("FT._LIST"):
        if name.startswith(beginning):
            with suppress(redis.ResponseError):  # another process was faster
                client.execute_command("FT.DROPINDEX", name)
