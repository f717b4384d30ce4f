"""What goes wrong between us and the index Redis, as the product's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from services.errors import IndexRebuilding, StorageFull, Unavailable

_ABSENT = ("no such index", "unknown index name")
_FULL = ("command not allowed when used memory", "misconf")
_TIMED_OUT = ("timeout limit was reached", "timeout limit reached")


@contextmanager
def index_errors() -> Iterator[None]:
    """Turns Redis errors into the product's.

    Raises:
        IndexRebuilding: the search index does not exist.
        StorageFull: the server is out of memory or cannot write to its disk.
        Unavailable: it cannot be reached, is loading or did not answer in time.
    """
    try:
        yield
    except redis.ConnectionError as error:  # refused, cut, loading, and a pool without a free connection
        raise Unavailable(
            f"the search index does not answer ({_reason(error)}); try again in a few seconds", retry_after_s=2
        ) from error
    except redis.TimeoutError as error:
        raise timed_out() from error
    except redis.ReadOnlyError as error:
        raise Unavailable("the index Redis is a read-only replica; point NEARFIELD_INDEX_URL at its primary") from error
    except redis.ResponseError as error:
        text = str(error).lower()
        if any(mark in text for mark in _ABSENT):
            raise absent() from error
        if any(mark in text for mark in _TIMED_OUT):
            raise timed_out() from error
        if any(mark in text for mark in _FULL):
            raise _full() from error
        if "unknown command" in text and "ft." in text:
            raise Unavailable(
                "the index Redis has no Query Engine; point NEARFIELD_INDEX_URL at Redis 8 or Redis Stack"
            ) from error
        raise


def absent() -> IndexRebuilding:
    """The error for an index that does not exist."""
    return IndexRebuilding(
        "this collection's search index is being rebuilt; its documents are safe, try again in a minute",
        retry_after_s=10,
    )


def timed_out() -> Unavailable:
    """The error for a call that took longer than its limit."""
    return Unavailable(
        "the search index did not answer within its time limit; try again, or narrow the search with a filter",
        code="search-timeout",
        retry_after_s=2,
    )


def _full() -> StorageFull:
    return StorageFull(
        "the index Redis is out of memory or disk: nothing was changed; delete documents or raise its memory limit",
        retry_after_s=30,
    )


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0][:120] or type(error).__name__
