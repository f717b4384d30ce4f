"""Searching a collection: as a link (GET) and with a JSON body (POST)."""

from __future__ import annotations

import flask
from werkzeug.datastructures import MultiDict

from services.collections.values import Collection
from services.embedding.media import Picture, Sound
from services.errors import InvalidInput, NearfieldError
from services.search.service import SearchRequest
from web.body import JSON_TYPE, MULTIPART_TYPE, json_response, read_json, require_type
from web.endpoint import Answer, Router
from web.filter_params import filter_from_args
from web.media_query import MAX_MEDIA_BYTES, decoded_base64, media_of
from web.present import answer_json
from web.schemas import FileSearchQuery, MediaSearchIn, SearchIn, SearchQuery
from web.shapes import MediaSearchShape, SearchShape
from web.state import WebState, web_state
from web.uploads import allow_upload, opened
from web.validate import validate

routes = Router("search")

_ANSWER = Answer(200, "The documents nearest in meaning, best first", SearchShape)
MAX_SEARCH_BODY_BYTES = 256 * 1024
MAX_MEDIA_JSON_BYTES = 6 * 1024 * 1024
MAX_FORM_BYTES = MAX_MEDIA_BYTES + 64 * 1024
_KINDS = ("image", "audio")


@routes.route(
    "GET",
    "/collections/<name>/search",
    "Search (as a link)",
    answers=_ANSWER,
    errors=(404, 409, 503),
    query=SearchQuery,
    field_parameters=True,
)
def search_by_link(name: str, query: SearchQuery) -> flask.Response:
    """Conditions stand in ``filter`` as JSON, or in parameters named after the fields: ``f.<field>=value`` (repeated:
    any of them) and ``f.<field>.gte=value`` (also gt, lte, lt).
    """
    state = web_state()
    collection = state.remembered_collection(name)
    conditions = filter_from_args(flask.request.args, collection)
    request = SearchRequest(
        query.q,
        query.limit,
        query.offset,
        conditions,
        query.mode,
        rerank=query.rerank,
        rerank_depth=query.rerank_depth,
    )
    try:
        return _answer(state, collection, request)
    except NearfieldError as error:
        if error.pointer == "/query":
            error.pointer = "/q"
        raise


@routes.route(
    "POST",
    "/collections/<name>/search",
    "Search (with a JSON body)",
    answers=_ANSWER,
    errors=(404, 409, 503),
    body=SearchIn,
    body_limit=MAX_SEARCH_BODY_BYTES,
)
def search_by_body(name: str, body: SearchIn) -> flask.Response:
    """The same search for longer queries and nested conditions."""
    state = web_state()
    collection = state.remembered_collection(name)
    request = SearchRequest(
        body.query,
        body.limit,
        body.offset,
        body.filter,
        body.mode,
        rerank=body.rerank,
        rerank_depth=body.rerank_depth,
    )
    return _answer(state, collection, request)


@routes.route(
    "POST",
    "/collections/<name>/search/by-file",
    "Search by a picture or a sound",
    answers=_ANSWER,
    errors=(404, 409, 413, 415, 503),
    query=FileSearchQuery,
    other_bodies={MULTIPART_TYPE: MediaSearchShape, JSON_TYPE: MediaSearchIn},
)
def search_by_file(name: str, query: FileSearchQuery) -> flask.Response:
    """A form with one part named "image" or "audio", the file of up to 16 MiB; or a JSON object with that member, the
    file in base64, up to 4 MiB. The collection's model must embed such.

    PNG, JPEG, WebP and GIF; WAV, FLAC, Ogg and MP3. Conditions stand in ``filter`` as JSON.
    """
    state = web_state()
    collection = state.remembered_collection(name)
    if require_type(flask.request, (MULTIPART_TYPE, JSON_TYPE)) == JSON_TYPE:
        body = validate(MediaSearchIn, read_json(flask.request, limit_bytes=MAX_MEDIA_JSON_BYTES))
        media = _encoded_media(state, collection, body)
    else:
        allow_upload(flask.request, MAX_FORM_BYTES)
        media = posted_media(state, collection)
    conditions = filter_from_args(MultiDict({"filter": query.filter} if query.filter else {}), collection)
    return _answer(state, collection, SearchRequest("", query.limit, query.offset, conditions, media=media))


def _encoded_media(state: WebState, collection: Collection, body: MediaSearchIn) -> Picture | Sound:
    given = [(kind, content) for kind in _KINDS if (content := getattr(body, kind)) is not None]
    if len(given) != 1:
        raise _not_one(len(given))
    kind, content = given[0]
    return media_of(state, collection, decoded_base64(content, kind), "", kind)


def _not_one(count: int) -> InvalidInput:
    return InvalidInput(
        f"{count} pictures or sounds were sent; send one to search by, named 'image' or 'audio'",
        code="no-file",
        pointer="/image",
    )


def posted_media(state: WebState, collection: Collection) -> Picture | Sound:
    """The picture or sound in the present request's form; call ``allow_upload`` first.

    Raises:
        InvalidInput: there is none, or two. Others as ``media_of``.
    """
    given = [(kind, part) for kind in _KINDS for part in flask.request.files.getlist(kind) if part.filename]
    if len(given) != 1:
        raise _not_one(len(given))
    kind, part = given[0]
    return media_of(state, collection, opened(part.stream), part.filename or "", kind)


def _answer(state: WebState, collection: Collection, request: SearchRequest) -> flask.Response:
    answer = state.search(collection, request)
    flask.g.timings = (("embed", answer.embed_ms), ("index", answer.index_ms))
    if request.rerank:
        flask.g.timings = (*flask.g.timings, ("rerank", answer.rerank_ms))
    return json_response(answer_json(answer, request, collection.name))
