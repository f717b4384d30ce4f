"""The rerankers that searches may name. Which there are is decided by whoever runs the server, never by a request."""

from __future__ import annotations

import flask

from services.embedding.rerank.registry import RerankerRegistry
from services.errors import ModelError
from web.body import json_response
from web.endpoint import Answer, Router
from web.shapes import RerankerShape, RerankersShape
from web.state import web_state

routes = Router("models", name="rerankers")


@routes.route("GET", "/rerankers", "List the rerankers", answers=Answer(200, "The rerankers", RerankersShape))
def list_rerankers() -> flask.Response:
    """What ``rerank`` may name in a search; none unless the operator offers some (NEARFIELD_RERANKERS)."""
    rerankers = web_state().services.rerankers
    answer: RerankersShape = {
        "items": [_reranker_json(rerankers, name) for name in rerankers.names()],
        "next_cursor": None,
    }
    return json_response(answer)


def _reranker_json(rerankers: RerankerRegistry, name: str) -> RerankerShape:
    try:
        spec = rerankers.spec(name)
    except ModelError as error:
        return {
            "name": name,
            "family": "",
            "licence": "",
            "fingerprint": "",
            "loaded": False,
            "problem": error.message,
        }
    return {
        "name": name,
        "family": spec.family,
        "licence": spec.licence,
        "fingerprint": spec.fingerprint,
        "loaded": rerankers.loaded(name),
        "problem": "",
    }
