"""Documents: add, list, look at, replace, delete, read, try again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO

import flask
from werkzeug.utils import send_file

from services.errors import InvalidInput, MalformedJson, NotFound
from services.ingest.cleaning import clean_file_name
from services.ingest.values import TextInput
from services.ledger.values import AcceptAnswer, DocumentKind, DocumentRecord, DocumentState
from web.api.jobs import retried
from web.body import JSON_TYPE, MULTIPART_TYPE, NDJSON_TYPES, json_response, read_bytes, require_size, require_type
from web.bulk import bulk_response
from web.endpoint import API_PREFIX, Answer, Router
from web.idempotency import request_key
from web.json_guard import parse_json
from web.present import accepted_json, document_json
from web.schemas import DocumentIn, DocumentPut, DocumentsQuery
from web.shapes import AcceptedShape, BulkLineShape, DocumentShape, DocumentsShape, RetriedShape, UploadShape
from web.state import WebState, web_state
from web.uploads import FILE_PART, read_upload, refuse_unknown_parts
from web.validate import json_name, validate, validate_all

routes = Router("documents")

MAX_ARRAY_DOCUMENTS = 1000
_ACCEPTED = Answer(202, "The documents are stored; Location is the job that makes them searchable", AcceptedShape)
_LINES = Answer(200, "For NDJSON: a line per document and a last line of sums", BulkLineShape, NDJSON_TYPES[0])


@routes.route(
    "POST",
    "/collections/<name>/documents",
    "Add documents: one object, an array, or one per line",
    answers=(_ACCEPTED, _LINES),
    errors=(404, 409, 507),
    other_bodies={JSON_TYPE: DocumentIn | list[DocumentIn], **dict.fromkeys(NDJSON_TYPES, DocumentIn)},
    idempotent=True,
)
def add_documents(name: str) -> flask.Response:
    """A JSON object or array is taken as a whole or not at all; of NDJSON each line stands for itself."""
    state = web_state()
    request = flask.request
    media_type = require_type(request, (JSON_TYPE, *NDJSON_TYPES))
    limit_bytes = state.settings.max_body_bytes
    collection = state.collection(name)
    if media_type in NDJSON_TYPES:
        require_size(request, limit_bytes)
        return bulk_response(state, collection, request)
    body = read_bytes(request, limit_bytes)
    value = parse_json(body, limit_bytes=limit_bytes)
    documents = parse_documents(value)
    key = request_key(request, [body])
    # For an object, pointers have no number in front.
    with relocated({"": ""} if isinstance(value, list) else {"/0": ""}):
        answer = state.services.acceptor.add_texts(collection, documents, request_id=key.id, request_hash=key.hash)
    return accepted(answer)


@routes.route(
    "POST",
    "/collections/<name>/files",
    "Upload files",
    answers=_ACCEPTED,
    errors=(404, 409, 507),
    other_bodies={MULTIPART_TYPE: UploadShape},
    idempotent=True,
)
def add_files(name: str) -> flask.Response:
    """Any number of parts named "file"; each file name may be a relative path, which makes the document's stable id."""
    state = web_state()
    collection = state.collection(name)
    upload = read_upload(flask.request)
    refuse_unknown_parts(flask.request)
    key = request_key(flask.request, upload.content())
    files = upload.files
    places = {f"/{number}/{part}": f"/{part}" for number in range(len(files)) for part in ("metadata", "id")}
    with relocated({**places, "": f"/{FILE_PART}"}):
        answer = state.services.acceptor.add_files(collection, files, request_id=key.id, request_hash=key.hash)
    names = (clean_file_name(file.name) for file in files)
    return accepted(answer, {document.id: name for document, name in zip(answer.documents, names, strict=True)})


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
    page = state.services.ledger.documents(collection.id, cursor=query.cursor, limit=query.limit, state=wanted)
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
    "PUT",
    "/collections/<name>/documents/<docid:document_id>",
    "Add or replace a document",
    answers=_ACCEPTED,
    errors=(404, 409, 507),
    other_bodies={JSON_TYPE: DocumentPut},
    idempotent=True,
)
def put_document(name: str, document_id: str) -> flask.Response:
    """Until the new version is searchable, the old one is found."""
    state = web_state()
    limit_bytes = state.settings.max_body_bytes
    require_type(flask.request, (JSON_TYPE,))
    collection = state.collection(name)
    body = read_bytes(flask.request, limit_bytes)
    put = validate(DocumentPut, parse_json(body, limit_bytes=limit_bytes))
    key = request_key(flask.request, [body])
    with relocated({"/0/id": "/document_id", "/0": ""}):
        answer = state.services.acceptor.add_texts(
            collection, [text_input(put, document_id)], request_id=key.id, request_hash=key.hash
        )
    return accepted(answer)


@routes.route(
    "DELETE",
    "/collections/<name>/documents/<docid:document_id>",
    "Delete a document",
    answers=_ACCEPTED,
    errors=(404, 409, 507),
    idempotent=True,
)
def delete_document(name: str, document_id: str) -> flask.Response:
    """The removal is a job like any other; it is over within moments."""
    state = web_state()
    collection = state.collection(name)
    key = request_key(flask.request, [])
    # A repeated delete must find its first answer although the document is gone.
    if not key.id or state.services.ledger.remembered(collection.id, key.id, key.hash) is None:
        find_document(state, collection.id, collection.name, document_id)
    with relocated({"/0": "/document_id"}):
        answer = state.services.acceptor.delete(collection, [document_id], request_id=key.id, request_hash=key.hash)
    return accepted(answer)


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
    body, media_type, file_name = state.services.documents.original(record)
    return attachment(body, media_type, file_name)


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
    return retried(*state.services.ledger.retry(collection.id, document_ids=[document_id]))


@routes.route(
    "POST",
    "/collections/<name>/retry",
    "Try all failed documents again",
    answers=Answer(202, "The job that tries them", RetriedShape),
    errors=(404,),
)
def retry_collection(name: str) -> flask.Response:
    """All failed documents of the collection become due."""
    state = web_state()
    return retried(*state.services.ledger.retry(state.collection(name).id))


def parse_documents(value: object) -> list[TextInput]:
    """The documents of a JSON body: an object or an array of them.

    Raises:
        MalformedJson: something else, or an empty array.
        InvalidInput: more than 1,000, or what is wrong with each (the pointer begins with the document's number).
    """
    if isinstance(value, dict):
        document = validate(DocumentIn, value)
        return [text_input(document, document.id)]
    if not isinstance(value, list):
        raise MalformedJson(
            f"the body is {json_name(value)}; send a document (an object) or an array of documents",
            pointer="",
            code="not-an-object",
        )
    if not value:
        raise MalformedJson("the array is empty; send at least one document", pointer="", code="no-documents")
    if len(value) > MAX_ARRAY_DOCUMENTS:
        raise InvalidInput(
            f"the array has {len(value):,} documents; at most {MAX_ARRAY_DOCUMENTS:,} are taken at once. Send "
            f"one per line as {NDJSON_TYPES[0]}, which has no limit of this kind",
            pointer="",
            code="too-many-documents",
        )
    documents = validate_all(DocumentIn, value)
    _refuse_doubled_ids(documents)
    return [text_input(document, document.id) for document in documents]


def text_input(document: DocumentPut, document_id: str | None) -> TextInput:
    """A request's document as services take it."""
    return TextInput(
        id=document_id,
        text=document.text,
        title=document.title,
        url=document.url,
        metadata=document.metadata,
        media_type=document.media_type,
    )


@contextmanager
def relocated(places: Mapping[str, str]) -> Iterator[None]:
    """Lets errors of the acceptor point into the request as the client sent it.

    Args:
        places: where pointers begin in the acceptor's list, and where that is in the request; the first match counts.
    """
    try:
        yield
    except InvalidInput as error:
        for begins, place in places.items():
            if error.pointer is not None and f"{error.pointer}/".startswith(f"{begins}/"):
                error.pointer = place + error.pointer.removeprefix(begins)
                break
        raise


def _refuse_doubled_ids(documents: Sequence[DocumentIn]) -> None:
    seen: set[str] = set()
    for number, document in enumerate(documents):
        if document.id is not None and document.id in seen:
            raise InvalidInput(
                f"the id {document.id[:80]!r} stands in the array twice; keep the document that counts",
                code="doubled-id",
                pointer=f"/{number}/id",
            )
        if document.id is not None:
            seen.add(document.id)


def accepted(answer: AcceptAnswer, sources: Mapping[str, str] | None = None) -> flask.Response:
    """202 with the job's address; ``sources`` maps document ids to file names."""
    return json_response(accepted_json(answer, sources), 202, location=f"{API_PREFIX}/jobs/{answer.job_id}")


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


def attachment(body: bytes, media_type: str, file_name: str) -> flask.Response:
    """A download that no browser renders, under the name it came with (RFC 6266 for names beyond ASCII)."""
    response = flask.make_response(
        send_file(
            BytesIO(body),
            flask.request.environ,
            mimetype=media_type or "application/octet-stream",
            as_attachment=True,
            download_name=file_name.rpartition("/")[2] or "document",
        )
    )
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    return response
