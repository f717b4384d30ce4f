"""After a restart a Redis is asked to write its log anew, because the old one may end in half a transaction.

Redis 7.4 that finds its log cut inside a command inside a transaction leaves the beginning of that transaction in the
file. What it writes from then on stands behind it, and the next restart carries out the half together with the rest:
a script of ours would take effect by half, long after the crash. A log written anew holds what the server holds.
"""

from __future__ import annotations

import logging

import redis

from services.redis_clients import Client

log = logging.getLogger(__name__)


def rewrite_log(client: Client) -> bool:
    """Asks for it; the server does it beside its work. False when it cannot just now (no log, no room, one under way).

    Raises:
        redis.ConnectionError, redis.TimeoutError: the server does not answer.
    """
    try:
        client.execute_command("BGREWRITEAOF")
    except redis.ResponseError as error:
        log.warning("the log of a Redis that was restarted is not written anew: %s", error)
        return False
    return True
