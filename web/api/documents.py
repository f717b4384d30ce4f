"""Documents that are there: list, look at, read, download, try again."""

from __future__ import annotations

import flask

from services.errors import NotFound
from services.ledger.finding import Wanted
from services.ledger.values import DocumentKind, DocumentRecord, DocumentState
from web.api.jobs import retried
from web.body import json_response
from web.download import attachment, thumbnail_response
from web.endpoint import API_PREFIX, Answer, Router
from web.present import document_json
from web.schemas import DocumentsQuery
from web.shapes import DocumentShape, DocumentsShape, RetriedShape
from web.state import WebState, web_state

routes = Router("documents")


@routes.route(
    "GET",
    "/collections/<name>/documents",
    "List documents",
    answers=Answer(200, "Documents, last accepted first", DocumentsShape),
    errors=(404,),
    query=DocumentsQuery,
)
def list_documents(name: str, query: DocumentsQuery) -> flask.Response:
    """A page of documents; a cursor stays valid while documents come and go."""
    state = web_state()
    collection = state.collection(name)
    wanted = DocumentState(query.state) if query.state is not None else None
    page = state.services.ledger.find(
        collection.id, Wanted(wanted, query.code, query.q.strip()), cursor=query.cursor, limit=query.limit
    )
    answer: DocumentsShape = {
        "items": [document_json(record, collection.name) for record in page.items],
        "next_cursor": page.next_cursor or None,
    }
    return json_response(answer)


@routes.route(
    "GET",
    "/collections/<name>/documents/<docid:document_id>",
    "Look at a document",
    answers=Answer(200, "The document", DocumentShape),
    errors=(404,),
)
def get_document(name: str, document_id: str) -> flask.Response:
    """One document with its state and metadata; its text has an address of its own."""
    state = web_state()
    collection = state.collection(name)
    record = find_document(state, collection.id, collection.name, document_id)
    given = record.envelope and record.kind is not DocumentKind.DELETE
    metadata = state.services.envelopes.read(record.envelope).document.metadata if given else {}
    return json_response(document_json(record, collection.name, metadata))


@routes.route(
    "GET",
    "/collections/<name>/documents/<docid:document_id>/text",
    "Read a document's text",
    answers=Answer(200, "The text that the offsets of passages point into", None, "text/plain"),
    errors=(404,),
)
def get_text(name: str, document_id: str) -> flask.Response:
    """Plain text in UTF-8; offsets count code points."""
    state = web_state()
    collection = state.collection(name)
    record = find_document(state, collection.id, collection.name, document_id)
    text = state.services.documents.text(record)
    return flask.Response(text.encode("utf-8", "replace"), content_type="text/plain; charset=utf-8")


@routes.route(
    "GET",
    "/collections/<name>/documents/<docid:document_id>/original",
    "Download a document as it was given",
    answers=Answer(200, "The bytes as they came, always as an attachment", None, "application/octet-stream"),
    errors=(404,),
)
def get_original(name: str, document_id: str) -> flask.Response:
    """Never shown by the browser itself: a page somebody uploaded must not run as a page of this server."""
    state = web_state()
    collection = state.collection(name)
    record = find_document(state, collection.id, collection.name, document_id)
    return attachment(state.services.documents.original(record))


@routes.route(
    "GET",
    "/collections/<name>/documents/<docid:document_id>/thumbnail",
    "Look at a small one of a picture",
    answers=Answer(200, "A JPEG of at most 320 points a side", None, "image/jpeg"),
    errors=(404,),
)
def get_thumbnail(name: str, document_id: str) -> flask.Response:
    """Made of the picture's points alone: nothing of the file that was uploaded is in it."""
    state = web_state()
    collection = state.collection(name)
    record = find_document(state, collection.id, collection.name, document_id)
    return thumbnail_response(state.services.documents.thumbnail(record))


@routes.route(
    "POST",
    "/collections/<name>/documents/<docid:document_id>/retry",
    "Try a failed document again",
    answers=Answer(202, "The job that tries it", RetriedShape),
    errors=(404,),
)
def retry_document(name: str, document_id: str) -> flask.Response:
    """A document that did not fail is left as it is; the count says so."""
    state = web_state()
    collection = state.collection(name)
    find_document(state, collection.id, collection.name, document_id)
    answer = state.services.ledger.retry(collection.id, document_ids=[document_id])
    state.services.doorbell.ring(collection.id)
    return retried(*answer)


def find_document(state: WebState, collection_id: str, name: str, document_id: str) -> DocumentRecord:
    """The record of a document that exists.

    Raises:
        NotFound: there is none of that id, or it was deleted; the pointer names the path parameter.
    """
    record = state.services.ledger.document(collection_id, document_id)
    if record is None or record.state is DocumentState.DELETED:
        raise NotFound(
            f"no document {document_id[:80]!r} in collection {name!r}; "
            f"GET {API_PREFIX}/collections/{name}/documents lists those there are",
            code="unknown-document",
            pointer="/document_id",
        )
    return record
