"""Signatures on the index Redis: beside the documents, so that they are made again with them and vanish with them.

Eight keys per collection, whatever its size. An entry counts only while its document's head is live and shows the text
that the entry was made of, so nothing has to be undone after a crash; entries that do not count are taken out when met.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from services.collections.values import Collection
from services.ids import head_prefix, near_key
from services.index.faults import index_errors
from services.index.scripts import Argument, Script
from services.neardup.signature import BANDS, Signature, likeness
from services.redis_clients import Client

MOST_PER_KEY = 64
"""Of thousands with common boilerplate no more are compared: the server is held for 1 ms at most."""
_MAX_TEXT_HASH_BYTES = 255


@dataclass(frozen=True, slots=True)
class Twin:
    """Another document of the collection with the same text (``exact``) or nearly the same.

    ``likeness`` is 0 to 1, 1.0 for an exact one. ``generation`` and ``sequence`` are its head's: of two documents the
    one with the higher finish sequence was written later.
    """

    id: str
    doc_hash: str
    likeness: float
    exact: bool
    generation: int
    sequence: int


class SignatureStore:
    """Remembers and compares. All methods raise Unavailable when the index cannot be reached.

    Args:
        client: of the index Redis, replies as bytes.
        threshold: documents less alike than this are no twins.
    """

    def __init__(self, client: Client, *, threshold: float) -> None:
        self._client = client
        self._threshold = threshold

    def twins(self, collection: Collection, doc_hash: str, text_hash: str, signature: Signature) -> list[Twin]:
        """The documents other than ``doc_hash`` that have this text or nearly it, most alike first."""
        rows = self._run("similar", collection, _search(collection, doc_hash, text_hash, signature))
        return self._twins(signature, rows or [])

    def remember(
        self, collection: Collection, doc_hash: str, text_hash: str, signature: Signature
    ) -> list[Twin] | None:
        """Notes the signature of a document that has been written; returns its twins as ``twins`` does, in one step.

        Args:
            text_hash: what the document's head says of its text.

        Returns:
            None when the index shows another text of the document by now, or none: then nothing was noted.

        Raises:
            StorageFull: the server has no memory left; nothing was changed.
        """
        rows = self._run("remember", collection, _search(collection, doc_hash, text_hash, signature))
        return None if rows is None else self._twins(signature, rows)

    def forget(self, collection: Collection, doc_hash: str) -> None:
        """Takes out a document that was deleted; one that is visible (again) stays."""
        self._run("forget", collection, [bytes.fromhex(doc_hash), head_prefix(collection.id, collection.version)])

    def _twins(self, signature: Signature, rows: Sequence[Sequence[bytes]]) -> list[Twin]:
        found = []
        for document, exact, minima, generation, sequence, document_id in rows:
            same = exact == signature.exact
            alike = 1.0 if same else likeness(minima, signature.minima)
            if alike >= self._threshold:
                twin = Twin(document_id.decode("utf-8"), document.hex(), alike, same, int(generation), int(sequence))
                found.append(twin)
        return sorted(found, key=lambda twin: (-twin.exact, -twin.likeness, twin.sequence))

    def _run(self, name: str, collection: Collection, arguments: Sequence[Argument]) -> list[list[bytes]] | None:
        place = collection.id, collection.version
        keys = [near_key(*place, part) for part in ("signatures", "exact", *map(str, range(BANDS)))]
        with index_errors():
            reply: list[list[bytes]] | None = _script(name).run(self._client, keys, arguments)
        return reply


def _search(collection: Collection, doc_hash: str, text_hash: str, signature: Signature) -> list[Argument]:
    heads = head_prefix(collection.id, collection.version)
    return [bytes.fromhex(doc_hash), _entry(text_hash, signature), heads, MOST_PER_KEY]


def _entry(text_hash: str, signature: Signature) -> bytes:
    """What is kept of a document; ``common.lua`` reads it."""
    text = text_hash.encode("utf-8")
    if len(text) > _MAX_TEXT_HASH_BYTES:
        raise ValueError(f"a text hash of {len(text)} bytes; at most {_MAX_TEXT_HASH_BYTES} can be kept")
    return b"".join(
        [bytes([len(text)]), text, signature.exact, bytes([len(signature.bands)]), *signature.bands, signature.minima]
    )


@cache
def _script(name: str) -> Script:
    folder = files(__package__).joinpath("lua")
    text = "".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in ("common", name))
    return Script(text, hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).hexdigest())
