"""Where sources are kept: in keys of their own on the ledger Redis. What must hold together is one Lua script.

``nf:s:names:<collection>`` name to id; ``nf:s:d:<id>`` record (source, status, removal); ``nf:s:i:<id>`` items;
``nf:s:left:<collection>`` hashes of documents that removed sources left; ``nf:s:all`` ids; ``nf:s:now`` ids that
somebody wants looked at; ``nf:s:lease`` the collector that acts; ``nf:s:rev`` rises when the list changes. Every script
may be repeated. Errors of Redis come out as Unavailable or StorageFull.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeVar

from services.errors import Conflict, NotFound
from services.ids import PREFIX, hash_document_id
from services.ledger.redis_link import redis_errors
from services.redis_clients import Client
from services.sources.records import item_text, read_item, read_source, read_status, source_text, status_text
from services.sources.values import FollowedSource, Hold, Item, Source, SourceStatus

T = TypeVar("T")
ROOT = f"{PREFIX}:s"
ALL_KEY = f"{ROOT}:all"
ASKED_KEY = f"{ROOT}:now"
LEASE_KEY = f"{ROOT}:lease"
REVISION_KEY = f"{ROOT}:rev"
ITEMS_PER_CALL = 500
MAX_SOURCES = 5000
_SCRIPTS = ("create", "set", "items", "lease", "release")


def _record(source_id: str) -> str:
    return f"{ROOT}:d:{source_id}"


def _items(source_id: str) -> str:
    return f"{ROOT}:i:{source_id}"


def _left(collection_id: str) -> str:
    return f"{ROOT}:left:{collection_id}"


def _names(collection_id: str) -> str:
    return f"{ROOT}:names:{collection_id}"


class SourceStore:
    """Sources of all collections; safe to share between threads.

    Args:
        client: of the ledger Redis, replies as bytes.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        folder = files("services.sources").joinpath("lua")
        self._scripts: dict[str, Any] = {
            name: client.register_script(folder.joinpath(f"{name}.lua").read_text("utf-8")) for name in _SCRIPTS
        }

    # -- for people -----------------------------------------------------------------------------------------

    def create(self, source: Source) -> FollowedSource:
        """Takes a source in, to be looked at soon.

        Raises:
            Conflict: the collection has a source of that name, or there are too many.
        """
        if self._run(lambda: self._client.scard(ALL_KEY)) >= MAX_SOURCES:
            raise Conflict(f"there are {MAX_SOURCES} sources already; remove one first", code="too-many-sources")
        keys = [_names(source.collection_id), _record(source.id), ALL_KEY, REVISION_KEY]
        status = SourceStatus()
        if not self._call("create", keys, [source.name, source.id, source_text(source), status_text(status)]):
            raise Conflict(
                f"this collection has a source named {source.name!r} already; choose another name, or remove that one",
                code="source-exists",
                pointer="/name",
            )
        return FollowedSource(source, status)

    def get(self, collection_id: str, name: str) -> FollowedSource:
        """A collection's source by name.

        Raises:
            NotFound: there is none.
        """
        found = self._run(lambda: self._client.hget(_names(collection_id), name))
        followed = self.by_ids([found.decode()])[0] if found else None
        if followed is None:
            raise NotFound(
                f"this collection has no source named {name[:80]!r}; its list of sources names those there are",
                code="unknown-source",
                pointer="/source",
            )
        return followed

    def of_collection(self, collection_id: str) -> list[FollowedSource]:
        """A collection's sources, by name."""
        names = self._run(lambda: self._client.hgetall(_names(collection_id)))
        found = self.by_ids([names[name].decode() for name in sorted(names)])
        return [followed for followed in found if followed is not None]

    def ask_for_sync(self, source_id: str) -> None:
        """Has the source looked at as soon as possible."""
        self._run(lambda: self._client.sadd(ASKED_KEY, source_id))

    def ask_for_removal(self, source_id: str, *, delete_documents: bool) -> None:
        """Has the source removed; its name stays taken until what it leaves behind is settled."""
        self._call("set", [_record(source_id)], ["removal", "delete" if delete_documents else "keep"])
        self._run(lambda: self._client.incr(REVISION_KEY))
        self.ask_for_sync(source_id)

    # -- for the collector ----------------------------------------------------------------------------------

    def all(self) -> list[FollowedSource]:
        """Every source."""
        ids = sorted(member.decode() for member in self._run(lambda: self._client.smembers(ALL_KEY)))
        return [followed for followed in self.by_ids(ids) if followed is not None]

    def by_ids(self, source_ids: Sequence[str]) -> list[FollowedSource | None]:
        """Sources by id, in that order; None where there is none."""
        if not source_ids:
            return []

        def read() -> list[list[bytes | None]]:
            pipe: Any = self._client.pipeline(transaction=False)
            for source_id in source_ids:
                pipe.hmget(_record(source_id), "source", "status", "removal")
            found: list[list[bytes | None]] = pipe.execute()
            return found

        return [
            FollowedSource(read_source(source), read_status(status), (removal or b"").decode()) if source else None
            for source, status, removal in self._run(read)
        ]

    def revision(self) -> int:
        """A number that differs when sources came or are to go."""
        return int(self._run(lambda: self._client.get(REVISION_KEY)) or 0)

    def asked(self) -> set[str]:
        """Ids of sources that somebody wants looked at now."""
        return {member.decode() for member in self._run(lambda: self._client.smembers(ASKED_KEY))}

    def answered(self, source_id: str) -> None:
        """Takes a wish from the list: it is being fulfilled."""
        self._run(lambda: self._client.srem(ASKED_KEY, source_id))

    def save_status(self, source_id: str, status: SourceStatus) -> None:
        """Keeps how far a source is, unless it was removed."""
        self._call("set", [_record(source_id)], ["status", status_text(status)])

    def items(self, source_id: str) -> dict[bytes, Item]:
        """What a source brought, by relative path or URL."""
        found: dict[bytes, Item] = {}
        cursor = 0
        while True:
            cursor, part = self._run(lambda at=cursor: self._client.hscan(_items(source_id), at, count=1000))  # type: ignore[misc]
            found.update({key: read_item(text) for key, text in part.items()})
            if cursor == 0:
                return found

    def failed_items(self, source_id: str, limit: int) -> list[tuple[str, str]]:
        """Some of the things that could not be taken, with the reason."""
        failed = ((key, item.error) for key, item in sorted(self.items(source_id).items()) if item.error)
        return [(key.decode("utf-8", "replace"), error) for (key, error), _ in zip(failed, range(limit), strict=False)]

    def save_items(self, source_id: str, items: Mapping[bytes, Item], dropped: Iterable[bytes] = ()) -> None:
        """Writes and drops items; nothing when the source was removed meanwhile."""
        pairs = [(key, item_text(item).encode()) for key, item in items.items()]
        for part in _parts(pairs):
            arguments: list[str | bytes | int] = [len(part)]
            for pair in part:
                arguments.extend(pair)
            self._call("items", [_record(source_id), _items(source_id)], arguments)
        for gone in _parts(list(dropped)):
            self._call("items", [_record(source_id), _items(source_id)], [0, *gone])

    def held_by_others(self, source: Source, key: bytes) -> bool:
        """Whether another source of the collection brought the same page, and not only knows of it."""
        others = [found.source.id for found in self.of_collection(source.collection_id) if found.source.id != source.id]

        def read() -> list[bytes | None]:
            pipe: Any = self._client.pipeline(transaction=False)
            for other in others:
                pipe.hget(_items(other), key)
            found: list[bytes | None] = pipe.execute()
            return found

        return bool(others) and any(text and read_item(text).hold is Hold.OURS for text in self._run(read))

    def leave(self, collection_id: str, document_ids: Sequence[str]) -> None:
        """Remembers documents that a source leaves behind, so that it finds them as its own when it is added again."""
        for part in _parts([hash_document_id(document_id) for document_id in document_ids]):
            self._run(lambda part=part: self._client.sadd(_left(collection_id), *part))  # type: ignore[misc]

    def left_behind(self, collection_id: str, document_ids: Sequence[str]) -> set[str]:
        """Which of these documents an earlier source left behind."""
        if not document_ids:
            return set()
        hashes = [hash_document_id(document_id) for document_id in document_ids]
        found = self._run(lambda: self._client.execute_command("SMISMEMBER", _left(collection_id), *hashes))
        return {document_id for document_id, there in zip(document_ids, found, strict=True) if there}

    def forget_collection(self, collection_id: str) -> None:
        """Nothing that was left behind in it counts any more."""
        self._run(lambda: self._client.delete(_left(collection_id)))

    def forget(self, source: Source) -> None:
        """Ends a removal: nothing of the source is left here."""

        def remove() -> None:
            pipe: Any = self._client.pipeline(transaction=True)
            pipe.hdel(_names(source.collection_id), source.name)
            pipe.delete(_record(source.id), _items(source.id))
            pipe.srem(ALL_KEY, source.id)
            pipe.srem(ASKED_KEY, source.id)
            pipe.execute()

        self._run(remove)

    def take_lease(self, token: str, lease_ms: int) -> bool:
        """Takes or renews the right to act; False while another collector has it."""
        return bool(self._call("lease", [LEASE_KEY], [token, lease_ms]))

    def give_lease_back(self, token: str) -> None:
        """Lets another collector act at once."""
        self._call("release", [LEASE_KEY], [token])

    def _call(self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        return self._run(lambda: self._scripts[script](keys=keys, args=arguments))

    def _run(self, call: Callable[[], T]) -> T:
        with redis_errors("ledger"):
            return call()


def _parts(things: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(things), ITEMS_PER_CALL):
        yield things[start : start + ITEMS_PER_CALL]
