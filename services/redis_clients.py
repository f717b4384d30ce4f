"""Redis clients: three named profiles, and one translator for the ways in which libraries write a socket URL.

redis-py 8 retries every command 10 times by default, also those that are not safe to repeat (an INCR with two dropped
replies counted 3 times), and a hung server holds a call for 20 s. So retries are off in all profiles, time is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.errors import SettingsError

if TYPE_CHECKING:
    Client = redis.Redis[bytes]
    TextClient = redis.Redis[str]
else:
    Client = TextClient = redis.Redis


@dataclass(frozen=True, slots=True)
class Profile:
    """How patient a client is."""

    name: str
    timeout_s: float
    connections: int


INTERACTIVE = Profile("interactive", timeout_s=1.0, connections=64)
BULK = Profile("bulk", timeout_s=30.0, connections=8)
KEEPER = Profile("keeper", timeout_s=4.0, connections=4)
"""Well below a lease: a hung index must not keep the keeper from the leases that end meanwhile."""


def connect(url: str, profile: Profile) -> Client:
    """A client for ``url`` (redis, rediss or unix). Replies are bytes in the RESP2 shapes; nothing is retried."""
    client: Client = redis.Redis(connection_pool=_pool(url, profile, decode=False))
    client.auto_close_connection_pool = True  # type: ignore[attr-defined]  # its own pool: close() closes its sockets
    return client


def connect_text(url: str, profile: Profile) -> TextClient:
    """The same, with replies decoded to str: what redis-om asks for."""
    client: TextClient = redis.Redis(connection_pool=_pool(url, profile, decode=True), decode_responses=True)
    client.auto_close_connection_pool = True  # type: ignore[attr-defined]
    return client


def _pool(url: str, profile: Profile, *, decode: bool) -> redis.BlockingConnectionPool:
    return redis.BlockingConnectionPool.from_url(
        url,
        max_connections=profile.connections,
        timeout=profile.timeout_s,
        socket_timeout=profile.timeout_s,
        socket_connect_timeout=min(profile.timeout_s, 3.0),
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        decode_responses=decode,
    )


def broker_url(url: str) -> str:
    """The same server as Celery writes it: ``unix:///path?db=1`` becomes ``redis+socket:///path?virtual_host=1``."""
    if not url.startswith("unix://"):
        return url
    parts = urlsplit(url)
    query = {("virtual_host" if key == "db" else key): value for key, value in parse_qsl(parts.query)}
    userinfo = f"{parts.username or ''}:{parts.password}@" if parts.password else ""
    return f"redis+socket://{userinfo}{parts.path}" + (f"?{urlencode(query)}" if query else "")


def unix_url(path: str, password: str) -> str:
    """The URL of an embedded server."""
    return f"unix://:{quote(password, safe='')}@{path}"


def database_of(url: str) -> int:
    """The database number a URL names (0 when it names none)."""
    parts = urlsplit(url)
    for key, value in parse_qsl(parts.query):
        if key == "db":
            return int(value)
    path = unquote(parts.path).strip("/")
    return int(path) if parts.scheme in ("redis", "rediss") and path.isdigit() else 0


def require_two_servers(ledger_url: str, index_url: str) -> None:
    """Refuses an index outside database 0 (the Query Engine indexes only there) and one server for both roles.

    A full index must not be able to destroy queued work: at maxmemory a Redis loses Celery messages.
    The same server behind two addresses is found by its run id.

    Raises:
        SettingsError: naming the variable to change.
    """
    if database_of(index_url) != 0:
        raise SettingsError(
            "NEARFIELD_INDEX_URL names a database other than 0; the Query Engine indexes only database 0"
        )
    run_ids = [_run_id(url) for url in (ledger_url, index_url)]
    if run_ids[0] == run_ids[1]:
        raise SettingsError(
            "NEARFIELD_LEDGER_URL and NEARFIELD_INDEX_URL are one Redis server; two are needed, "
            "because a full index would destroy queued work. Start a second redis-server and point one of them there"
        )


def _run_id(url: str) -> str:
    client = connect(url, INTERACTIVE)
    try:
        return str(client.info("server")["run_id"])
    finally:
        client.close()
