"""Ids and the names of Redis keys. No client input ever stands in a key: document ids are hashed first."""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "nf"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_collection_id() -> str:
    """An opaque id of 12 characters (60 bits); a collection's name only maps to it."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def new_job_id() -> str:
    """An opaque id of 16 characters (80 bits)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def new_token() -> str:
    """A lease token: 128 random bits as hex."""
    return secrets.token_hex(16)


def hash_document_id(document_id: str) -> str:
    """The 32 hex characters that stand for a client's document id in keys and in the index."""
    return hashlib.sha256(document_id.encode("utf-8")).hexdigest()[:32]


def file_document_id(source: str) -> str:
    """A stable document id for a file: adding the same relative path of the same root again is an update."""
    return "file-" + hashlib.sha256(source.encode("utf-8")).hexdigest()[:24]


# -- keys on the index Redis ---------------------------------------------------------------------------------


def chunk_prefix(collection_id: str, version: int) -> str:
    """The prefix that a collection's search index covers; closed by a colon so that no id is another's prefix."""
    return f"{PREFIX}:c:{collection_id}:{version}:"


def chunk_key(collection_id: str, version: int, doc_hash: str, generation: int, ordinal: int) -> str:
    """One chunk's hash. The braces keep a document's keys in one cluster slot."""
    return f"{chunk_prefix(collection_id, version)}{{{doc_hash}}}:{generation}:{ordinal}"


def head_prefix(collection_id: str, version: int) -> str:
    """What all heads of one version of a collection begin with. Outside the indexed prefix."""
    return f"{PREFIX}:h:{collection_id}:{version}:"


def head_key(collection_id: str, version: int, doc_hash: str) -> str:
    """A document's head: which generation is visible. In the same slot as the document's chunks."""
    return f"{head_prefix(collection_id, version)}{{{doc_hash}}}"


def counters_key(collection_id: str, version: int) -> str:
    """What an index counts beside its documents: finish sequence, live documents, chunks."""
    return f"{PREFIX}:s:{collection_id}:{version}"


def near_key(collection_id: str, version: int, part: str) -> str:
    """What near-duplicates are found by: signatures, exact hashes, and one key per band."""
    return f"{PREFIX}:n:{collection_id}:{version}:{part}"


def rebuild_key(collection_id: str) -> str:
    """Set by the keeper while the index of a collection is incomplete: "<searchable>/<expected>" documents."""
    return f"{PREFIX}:r:{collection_id}"


def purge_key(collection_id: str) -> str:
    """How far the clearing of a deleted collection has read the index server's keys."""
    return f"{PREFIX}:p:{collection_id}"


def index_name(collection_id: str, version: int, fingerprint: str) -> str:
    """The search index of one version of a collection, named after the model its vectors were made with."""
    return f"{PREFIX}:ix:{collection_id}:{version}:{fingerprint[:16]}"
