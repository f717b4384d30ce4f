"""Adding, replacing and deleting documents: whatever the form, it ends in one call of the acceptor and a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import flask

from services.errors import InvalidInput, MalformedJson
from services.ingest.cleaning import clean_file_name
from services.ingest.values import TextInput
from services.ledger.values import AcceptAnswer
from web.api.documents import find_document
from web.body import JSON_TYPE, MULTIPART_TYPE, NDJSON_TYPES, json_response, read_bytes, require_size, require_type
from web.bulk import bulk_response
from web.endpoint import API_PREFIX, Answer, Router
from web.idempotency import request_key
from web.intake import SMALL_BYTES
from web.json_guard import parse_json
from web.present import accepted_json
from web.schemas import DocumentIn, DocumentPut
from web.shapes import AcceptedShape, BulkLineShape, UploadShape
from web.state import WebState, web_state
from web.uploads import FILE_PART, allow_upload, read_upload, refuse_unknown_parts
from web.validate import json_name, validate, validate_all

routes = Router("documents", name="adding")

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
        return bulk_response(state, collection, request)
    require_size(request, limit_bytes)
    with slot_for(state, request):
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
    allow_upload(flask.request, state.settings.max_upload_bytes)
    collection = state.collection(name)
    with state.uploads.held():
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
    require_size(flask.request, limit_bytes)
    with slot_for(state, flask.request):
        body = read_bytes(flask.request, limit_bytes)
        put = validate(DocumentPut, parse_json(body, limit_bytes=limit_bytes))
        key = request_key(flask.request, [body])
        with relocated({"/0/id": "/document_id", "/0": ""}):
            answer = state.services.acceptor.add_texts(
                collection, [put.as_input(document_id)], request_id=key.id, request_hash=key.hash
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


def slot_for(state: WebState, request: flask.Request) -> AbstractContextManager[None]:
    """A slot for a JSON body that is large enough to cost memory when it is parsed; smaller ones need none.

    Raises:
        Overloaded: when it is entered, and as many large bodies as may are being worked on.
    """
    length = request.content_length
    return nullcontext() if length is not None and length <= SMALL_BYTES else state.uploads.held()


def parse_documents(value: object) -> list[TextInput]:
    """The documents of a JSON body: an object or an array of them.

    Raises:
        MalformedJson: something else, or an empty array.
        InvalidInput: more than 1,000, or what is wrong with each (the pointer begins with the document's number).
    """
    if isinstance(value, dict):
        document = validate(DocumentIn, value)
        return [document.as_input(document.id)]
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
    return [document.as_input(document.id) for document in documents]


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
