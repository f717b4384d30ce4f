"""The collections there are: create, look up, rename, delete. A name only maps to an opaque id.

Order of writes: the record first, its name last, so a crash in between leaves an unnamed record that nobody sees.
A deleted collection loses its name at once; its id waits in a set until workers have cleared what it left.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import ParamSpec, TypeVar

from redis_om import NotFoundError

from services.collections import models
from services.collections.durable import CollectionFolder
from services.collections.models import CollectionRecord, from_record, to_record
from services.collections.values import (
    DEFAULT_SIZE_TOKENS,
    Algorithm,
    Chunking,
    Collection,
    FieldSpec,
    NearDuplicatePolicy,
    VectorType,
)
from services.errors import Conflict, InvalidInput, NotFound, Unavailable
from services.ids import PREFIX, new_collection_id
from services.ledger.redis_link import redis_errors
from services.redis_clients import TextClient

P = ParamSpec("P")
T = TypeVar("T")
NAMES_KEY = f"{PREFIX}:names"
GONE_KEY = f"{PREFIX}:gone"
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FIELD_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,39}")
RESERVED_FIELDS = frozenset({"id", "title", "text", "url", "source", "metadata"})
MAX_FIELDS = 32
DEFAULT_CHUNKING = Chunking()
MAX_DESCRIPTION_CHARS = 500
LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class NewCollection:
    """What a caller decides about a collection; the model's facts come from its spec."""

    name: str
    model: str
    fingerprint: str
    dim: int
    description: str = ""
    algorithm: Algorithm = Algorithm.HNSW
    vector_type: VectorType = VectorType.FLOAT16
    chunking: Chunking = DEFAULT_CHUNKING
    fields: tuple[FieldSpec, ...] = ()
    language: str = "en"
    near_duplicates: NearDuplicatePolicy = NearDuplicatePolicy.KEEP


def _ledger_errors(method: Callable[P, T]) -> Callable[P, T]:
    """Turns what Redis raises into the product's errors."""

    @functools.wraps(method)
    def translated(*args: P.args, **kwargs: P.kwargs) -> T:
        with redis_errors("ledger"):
            return method(*args, **kwargs)

    return translated


class CollectionStore:
    """Collections in the ledger Redis. Every method raises Unavailable when that does not answer.

    Args:
        client: a client of the ledger that decodes replies to str (redis-om asks for one).
        descriptions: where descriptions are kept as files too; None: nowhere.
    """

    def __init__(self, client: TextClient, descriptions: CollectionFolder | None = None) -> None:
        self._client = client
        self._descriptions = descriptions
        models.bind(client)
        scripts = files(__package__).joinpath("lua")
        self._rename = client.register_script(scripts.joinpath("rename.lua").read_text("utf-8"))
        self._delete = client.register_script(scripts.joinpath("delete.lua").read_text("utf-8"))

    @_ledger_errors
    def create(self, new: NewCollection) -> Collection:
        """Makes a collection and claims its name.

        Raises:
            InvalidInput: a bad name, field or chunking; the pointer names it.
            Conflict: the name is taken.
        """
        _check(new)
        collection = Collection(
            id=new_collection_id(),
            name=new.name,
            description=new.description,
            model=new.model,
            fingerprint=new.fingerprint,
            dim=new.dim,
            vector_type=new.vector_type,
            algorithm=new.algorithm,
            chunking=new.chunking,
            fields=new.fields,
            language=new.language,
            created_at_ms=time.time_ns() // 1_000_000,
            near_duplicates=new.near_duplicates,
        )
        record = to_record(collection)
        self._describe(collection)  # before it has a name: what cannot be described durably does not come to be
        record.save()
        if not self._client.hsetnx(NAMES_KEY, new.name, collection.id):
            CollectionRecord.delete(collection.id)
            if self._descriptions is not None:
                self._descriptions.forget(collection.id)
            raise _name_taken(new.name)
        return collection

    @_ledger_errors
    def get(self, name: str) -> Collection:
        """The collection of that name.

        Raises:
            NotFound: there is none; the message names the nearest names and how to create one.
        """
        collection_id = self._client.hget(NAMES_KEY, name)
        collection = self.by_id(str(collection_id)) if collection_id else None
        if collection is None:
            raise self._unknown(name)
        return collection

    @_ledger_errors
    def by_id(self, collection_id: str) -> Collection | None:
        """The collection of that id, also one that has lost its name and waits to be cleared; None when forgotten."""
        try:
            return from_record(CollectionRecord.get(collection_id))
        except NotFoundError:
            return None

    @_ledger_errors
    def list(self) -> list[Collection]:
        """All collections, by name."""
        names = self._client.hgetall(NAMES_KEY)
        found = (self.by_id(str(names[name])) for name in sorted(names))
        return [collection for collection in found if collection is not None]

    @_ledger_errors
    def update(self, name: str, *, new_name: str | None = None, description: str | None = None) -> Collection:
        """Renames a collection or changes its description; what is None stays.

        Raises:
            NotFound: no such collection.
            Conflict: the new name is taken.
        """
        collection = self.get(name)
        if new_name is not None:
            _check_name(new_name)
        if description is not None:
            _check_description(description)
        answer = self._rename(
            keys=[NAMES_KEY, str(to_record(collection).key())],
            args=[
                name,
                new_name if new_name is not None else name,
                collection.id,
                description if description is not None else collection.description,
            ],
        )
        if answer == "taken":
            raise _name_taken(str(new_name))
        if answer == "unknown":
            raise self._unknown(name)
        updated = self.get(new_name or name)
        self._describe(updated)
        return updated

    @_ledger_errors
    def delete(self, name: str) -> Collection:
        """Frees the name and marks the id as gone; returns what was deleted. The caller has it cleared afterwards."""
        collection = self.get(name)
        if self._delete(keys=[NAMES_KEY, GONE_KEY], args=[name, collection.id]) == "unknown":
            raise self._unknown(name)
        if self._descriptions is not None:
            with contextlib.suppress(Unavailable):  # it is deleted; the keeper has the file follow
                self._descriptions.bury(collection.id)
        return collection

    @_ledger_errors
    def deleted_ids(self) -> set[str]:
        """Ids of deleted collections that still have to be cleared."""
        return {str(member) for member in self._client.smembers(GONE_KEY)}

    @_ledger_errors
    def forget(self, collection_id: str) -> None:
        """Ends a deletion: nothing of the collection is left anywhere."""
        CollectionRecord.delete(collection_id)
        self._client.srem(GONE_KEY, collection_id)

    def _describe(self, collection: Collection) -> None:
        if self._descriptions is not None:
            self._descriptions.keep(collection)

    def _unknown(self, name: str) -> NotFound:
        names = [str(known) for known in self._client.hkeys(NAMES_KEY)]
        near = difflib.get_close_matches(name[:63], names, n=1)
        if near:
            known = f"did you mean {near[0]!r}?"
        else:
            known = f"there are: {', '.join(sorted(names)[:20])}" if names else "there are none yet"
        return NotFound(
            f"no collection named {name[:63]!r} ({known}); "
            "create it on the start page or with POST /api/v1/collections",
            code="unknown-collection",
        )


def _name_taken(name: str) -> Conflict:
    return Conflict(
        f"a collection named {name!r} exists already; choose another name, or add documents to it",
        code="name-taken",
        pointer="/name",
    )


def _check(new: NewCollection) -> None:
    _check_name(new.name)
    _check_description(new.description)
    _check_fields(new.fields)
    if not LANGUAGE_PATTERN.fullmatch(new.language):
        raise InvalidInput(f"language {new.language!r} is not a code such as 'en' or 'de'", pointer="/language")
    chunking = new.chunking
    if chunking.strategy not in ("structure", "none"):
        raise InvalidInput(
            f"chunking strategy {chunking.strategy!r} is unknown; use 'structure' or 'none'",
            pointer="/chunking/strategy",
        )
    if chunking.size_tokens is not None and not 16 <= chunking.size_tokens <= 8192:
        raise InvalidInput(
            f"size_tokens is {chunking.size_tokens}; allowed are 16 to 8192, or leave it out for {DEFAULT_SIZE_TOKENS}",
            pointer="/chunking/size_tokens",
        )
    most = (chunking.size_tokens or DEFAULT_SIZE_TOKENS) // 2
    if not 0 <= chunking.overlap_tokens <= most:
        raise InvalidInput(
            f"overlap_tokens is {chunking.overlap_tokens}; allowed are 0 to {most}, half of size_tokens",
            pointer="/chunking/overlap_tokens",
        )


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            f"collection name {name[:80]!r} is not usable; allowed are 1 to 63 lower-case letters, digits, "
            "'.', '_' and '-', beginning with a letter or digit",
            code="bad-name",
            pointer="/name",
        )


def _check_description(description: str) -> None:
    if len(description) > MAX_DESCRIPTION_CHARS or not description.isprintable():
        raise InvalidInput(
            f"the description has {len(description)} characters; allowed are {MAX_DESCRIPTION_CHARS} printable ones",
            pointer="/description",
        )


def _check_fields(fields: Iterable[FieldSpec]) -> None:
    seen: set[str] = set()
    for field in fields:
        pointer = f"/fields/{field.name[:40]}"
        if not FIELD_PATTERN.fullmatch(field.name) or field.name in RESERVED_FIELDS or field.name in seen:
            raise InvalidInput(
                f"field name {field.name[:80]!r} is not usable; allowed are 1 to 40 lower-case letters, digits "
                f"and '_', each once, and none of {', '.join(sorted(RESERVED_FIELDS))}",
                code="bad-field",
                pointer=pointer,
            )
        seen.add(field.name)
    if len(seen) > MAX_FIELDS:
        raise InvalidInput(f"{len(seen)} fields are declared; at most {MAX_FIELDS} are allowed", pointer="/fields")
