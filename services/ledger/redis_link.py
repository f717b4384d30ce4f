"""The ledger's way to its Redis: scripts by name, and one translation of what can go wrong there.

Every script is safe to repeat, so a call whose connection broke is sent once more (a pooled connection that a restarted
server has closed is the usual case). A call that timed out is not: its budget is spent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeVar

import redis
from redis.exceptions import NoScriptError

from services.errors import StorageFull, Unavailable
from services.redis_clients import Client

T = TypeVar("T")
Argument = str | bytes | int
RETRY_AFTER_S = 2
_FULL = ("OOM", "used memory > 'maxmemory'", "MISCONF")


class RedisLink:
    """Runs the ledger's scripts and reads on one client."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._sources: dict[str, tuple[str, str]] = {}

    def run(self, name: str, *arguments: Argument) -> Any:
        """Runs ``lua/<name>.lua``; the reply is in redis-py's RESP2 shapes.

        Raises:
            Unavailable: the ledger does not answer. StorageFull: it has no memory or disk left and changed nothing.
        """
        source, sha = self._script(name)

        def call() -> Any:
            try:
                return self.client.execute_command("EVALSHA", sha, 0, *arguments)
            except NoScriptError:
                return self.client.execute_command("EVAL", source, 0, *arguments)

        return self.attempt(call)

    def run_all(self, name: str, calls: Sequence[Sequence[Argument]]) -> list[Any]:
        """Runs one script several times in one round trip, which costs one fsync and not one each.

        The calls must not depend on each other. Raises as ``run``; what was done before an error stays done.
        """
        _, sha = self._script(name)

        def call() -> list[Any]:
            pipeline: Any = self.client.pipeline(transaction=False)
            for arguments in calls:
                pipeline.execute_command("EVALSHA", sha, 0, *arguments)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
            return replies

        replies = self.attempt(call)
        for position, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                replies[position] = self.run(name, *calls[position])
            elif isinstance(reply, Exception):
                with redis_errors("ledger"):
                    raise reply
        return replies

    def read(self, fill: Callable[[Any], object]) -> list[Any]:
        """Sends reads in one round trip: ``fill`` puts them on a pipeline. Raises as ``run``."""

        def call() -> list[Any]:
            pipeline = self.client.pipeline(transaction=False)
            fill(pipeline)
            return pipeline.execute()

        return self.attempt(call)

    def attempt(self, call: Callable[[], T]) -> T:
        """Calls, once more if the connection broke, and translates errors."""
        with redis_errors("ledger"):
            try:
                return call()
            except redis.BusyLoadingError:
                raise
            except redis.ConnectionError:
                return call()

    def _script(self, name: str) -> tuple[str, str]:
        if name not in self._sources:
            folder = files(__package__).joinpath("lua")
            flags, _, body = folder.joinpath(f"{name}.lua").read_text("utf-8").partition("\n")
            source = "\n".join((flags, folder.joinpath("prelude.lua").read_text("utf-8"), body))
            digest = hashlib.sha1(source.encode("utf-8"), usedforsecurity=False).hexdigest()
            self._sources[name] = (source, digest)
        return self._sources[name]


@contextmanager
def redis_errors(part: str) -> Iterator[None]:
    """Turns what a Redis raises into the product's errors; ``part`` is "ledger" or "index"."""
    setting = f"NEARFIELD_{part.upper()}_URL"
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise Unavailable(
            f"the {part} Redis does not answer ({type(error).__name__}); nothing is lost, try again in a moment. "
            f"If it lasts, look at {setting} and at `nearfield doctor`",
            code=f"{part}-unavailable",
            retry_after_s=RETRY_AFTER_S,
        ) from error
    except redis.ResponseError as error:
        if any(word in str(error) for word in _FULL):
            raise StorageFull(
                f"the {part} Redis has no memory or disk left and took nothing in; free some, or raise its limit, "
                "and send this again",
                retry_after_s=30,
            ) from error
        if "READONLY" in str(error):
            raise Unavailable(
                f"the {part} Redis is a read-only replica; point {setting} at its primary", code=f"{part}-unavailable"
            ) from error
        raise
