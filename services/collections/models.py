"""How a collection's description lies in the ledger Redis: a redis-om model.

Only descriptions live here. Names are claimed in a hash of the ledger's own, because two requests may want one name at
once and redis-om's save() writes the whole object. No search index is made for the model: records are read by id.
"""

from __future__ import annotations

import json

from redis_om import Field, HashModel

from services.collections.values import (
    Algorithm,
    Chunking,
    Collection,
    FieldSpec,
    FieldType,
    NearDuplicatePolicy,
    VectorType,
)
from services.ids import PREFIX
from services.redis_clients import TextClient


class CollectionRecord(HashModel, index=True):  # type: ignore[call-arg, misc]
    """One collection; ``pk`` is its opaque id. Nested values are JSON text, as a hash holds no structure."""

    name: str
    description: str = ""
    embedding_model: str = Field(description="model name as it was asked for")
    fingerprint: str
    dim: int
    vector_type: str
    algorithm: str
    chunking: str
    fields_json: str
    language: str
    created_at_ms: int
    version: int
    near_duplicates: str = NearDuplicatePolicy.KEEP.value  # records of earlier versions have none

    class Meta:
        """Where the records lie; ``bind`` sets the connection."""

        global_key_prefix = f"{PREFIX}:om"
        model_key_prefix = "collection"


def bind(client: TextClient) -> None:
    """Gives the model its connection (one that decodes replies); without it redis-om would look for one by itself."""
    CollectionRecord._meta.database = client


def to_record(collection: Collection) -> CollectionRecord:
    """The record of a collection, not yet saved."""
    chunking = collection.chunking
    return CollectionRecord(
        pk=collection.id,
        name=collection.name,
        description=collection.description,
        embedding_model=collection.model,
        fingerprint=collection.fingerprint,
        dim=collection.dim,
        vector_type=collection.vector_type.value,
        algorithm=collection.algorithm.value,
        chunking=json.dumps([chunking.strategy, chunking.size_tokens, chunking.overlap_tokens]),
        fields_json=json.dumps([[field.name, field.type.value] for field in collection.fields]),
        language=collection.language,
        created_at_ms=collection.created_at_ms,
        version=collection.version,
        near_duplicates=collection.near_duplicates.value,
    )


def from_record(record: CollectionRecord) -> Collection:
    """The collection a record describes."""
    strategy, size_tokens, overlap_tokens = json.loads(record.chunking)
    return Collection(
        id=str(record.pk),
        name=record.name,
        description=record.description,
        model=record.embedding_model,
        fingerprint=record.fingerprint,
        dim=record.dim,
        vector_type=VectorType(record.vector_type),
        algorithm=Algorithm(record.algorithm),
        chunking=Chunking(strategy, size_tokens, overlap_tokens),
        fields=tuple(FieldSpec(name, FieldType(kind)) for name, kind in json.loads(record.fields_json)),
        language=record.language,
        created_at_ms=record.created_at_ms,
        version=record.version,
        near_duplicates=NearDuplicatePolicy(record.near_duplicates),
    )
