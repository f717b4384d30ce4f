"""Collections: create, list, look at, rename, delete, export."""

from __future__ import annotations

import flask

from services.collections.store import NewCollection
from services.collections.values import (
    Algorithm,
    Chunking,
    Collection,
    FieldSpec,
    FieldType,
    NearDuplicatePolicy,
    VectorType,
)
from services.errors import NearfieldError
from web.api.models import offered_spec
from web.body import json_response
from web.endpoint import API_PREFIX, Answer, Router
from web.export import export_response
from web.idempotency import RequestKey, request_key
from web.present import collection_json
from web.schemas import CollectionIn, CollectionPatch
from web.shapes import CollectionShape, CollectionsShape, DeletedCollectionShape, ExportLineShape
from web.state import WebState, web_state

routes = Router("collections")

KEY_SCOPE = "collections"


@routes.route(
    "GET", "/collections", "List all collections", answers=Answer(200, "The collections, by name", CollectionsShape)
)
def list_collections() -> flask.Response:
    """All collections with their numbers."""
    state = web_state()
    answer: CollectionsShape = {
        "items": [_with_numbers(state, collection) for collection in state.services.collections.list()],
        "next_cursor": None,
    }
    return json_response(answer)


@routes.route(
    "POST",
    "/collections",
    "Create a collection",
    answers=Answer(201, "The collection; Location is its address", CollectionShape),
    errors=(409,),
    body=CollectionIn,
    idempotent=True,
)
def create_collection(body: CollectionIn) -> flask.Response:
    """A collection for one embedding model, with the fields that searches may filter by."""
    state = web_state()
    key = request_key(flask.request, [body.model_dump_json().encode("utf-8")])
    collection = _remembered(state, key) or _create(state, body)
    if key.id:
        state.services.ledger.remember(KEY_SCOPE, key.id, key.hash, collection.id)
    return json_response(_with_numbers(state, collection), 201, location=f"{API_PREFIX}/collections/{collection.name}")


def _remembered(state: WebState, key: RequestKey) -> Collection | None:
    """What an earlier request with this key created, unless it is gone."""
    known = state.services.ledger.recall(KEY_SCOPE, key.id, key.hash) if key.id else None
    if known is None or known in state.services.collections.deleted_ids():
        return None
    return state.services.collections.by_id(known)


def _create(state: WebState, body: CollectionIn) -> Collection:
    services = state.services
    spec = offered_spec(state, body.model)
    collection = services.collections.create(
        NewCollection(
            name=body.name,
            model=spec.name,
            fingerprint=spec.fingerprint,
            dim=spec.dim,
            description=body.description,
            algorithm=Algorithm(body.algorithm),
            vector_type=VectorType(body.vector_type),
            chunking=Chunking(body.chunking.strategy, body.chunking.size_tokens, body.chunking.overlap_tokens),
            fields=tuple(FieldSpec(name, FieldType(kind)) for name, kind in body.fields.items()),
            language=body.language,
            near_duplicates=NearDuplicatePolicy(body.near_duplicates),
        )
    )
    try:
        services.index.create(collection)
    except NearfieldError:
        services.collections.delete(collection.name)  # a collection without an index would answer every search with 503
        raise
    return collection


@routes.route(
    "GET",
    "/collections/<name>",
    "Look at a collection",
    answers=Answer(200, "The collection", CollectionShape),
    errors=(404,),
)
def get_collection(name: str) -> flask.Response:
    """One collection with its numbers."""
    state = web_state()
    return json_response(_with_numbers(state, state.collection(name)))


@routes.route(
    "PATCH",
    "/collections/<name>",
    "Rename a collection or change its description",
    answers=Answer(200, "The collection as it is now", CollectionShape),
    errors=(404, 409),
    body=CollectionPatch,
)
def change_collection(name: str, body: CollectionPatch) -> flask.Response:
    """Documents, index and jobs stay as they are: they belong to the collection's id."""
    state = web_state()
    state.collection(name)
    changed = state.services.collections.update(name, new_name=body.name, description=body.description)
    state.forget_collection(name)
    return json_response(_with_numbers(state, changed))


@routes.route(
    "DELETE",
    "/collections/<name>",
    "Delete a collection and everything in it",
    answers=Answer(200, "What was deleted", DeletedCollectionShape),
    errors=(404,),
)
def delete_collection(name: str) -> flask.Response:
    """The name is free at once; workers clear what is left in the background."""
    state = web_state()
    state.collection(name)
    deleted = state.services.collections.delete(name)
    state.forget_collection(name)
    state.services.doorbell.purge(deleted.id)
    answer: DeletedCollectionShape = {"deleted": deleted.name, "id": deleted.id}
    return json_response(answer)


@routes.route(
    "GET",
    "/collections/<name>/export",
    "Export all documents",
    answers=Answer(200, "One document per line", ExportLineShape, "application/x-ndjson"),
    errors=(404,),
)
def export_collection(name: str) -> flask.Response:
    """The searchable documents as NDJSON, in the form in which they can be posted again."""
    state = web_state()
    return export_response(state, state.collection(name))


def _with_numbers(state: WebState, collection: Collection) -> CollectionShape:
    ledger = state.services.ledger
    return collection_json(collection, ledger.counts(collection.id), ledger.rebuilding(collection.id))
