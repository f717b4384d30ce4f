"""Searching a collection: as a link (GET) and with a JSON body (POST)."""

from __future__ import annotations

import flask

from services.collections.values import Collection
from services.errors import NearfieldError
from services.search.service import SearchRequest
from web.body import json_response
from web.endpoint import Answer, Router
from web.filter_params import filter_from_args
from web.present import answer_json
from web.schemas import SearchIn, SearchQuery
from web.shapes import SearchShape
from web.state import WebState, web_state

routes = Router("search")

_ANSWER = Answer(200, "The documents nearest in meaning, best first", SearchShape)
MAX_SEARCH_BODY_BYTES = 256 * 1024


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
    request = SearchRequest(query.q, query.limit, query.offset, conditions, query.mode)
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
    return _answer(state, collection, SearchRequest(body.query, body.limit, body.offset, body.filter, body.mode))


def _answer(state: WebState, collection: Collection, request: SearchRequest) -> flask.Response:
    answer = state.search(collection, request)
    flask.g.timings = (("embed", answer.embed_ms), ("index", answer.index_ms))
    return json_response(answer_json(answer, request, collection.name))
