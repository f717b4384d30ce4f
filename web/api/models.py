"""The embedding models that collections can be created with."""

from __future__ import annotations

import flask

from services.embedding.spec import ModelSpec
from services.errors import InvalidInput, ModelError
from web.body import json_response
from web.endpoint import Answer, Router
from web.shapes import ModelShape, ModelsShape
from web.state import WebState, web_state

routes = Router("models")


@routes.route("GET", "/models", "List the embedding models", answers=Answer(200, "The models", ModelsShape))
def list_models() -> flask.Response:
    """All models this server knows by name; the default one first."""
    state = web_state()
    items: list[ModelShape] = []
    for name in offered_models(state):
        try:
            spec = state.services.models.spec(name)
        except ModelError:
            continue  # a default that cannot be used is named by /readyz
        items.append(
            {
                "name": name,
                "family": spec.family,
                "dimensions": spec.dim,
                "max_tokens": spec.max_tokens,
                "licence": spec.licence,
                "fingerprint": spec.fingerprint,
                "default": name == state.settings.model,
            }
        )
    answer: ModelsShape = {"items": items, "next_cursor": None}
    return json_response(answer)


def offered_models(state: WebState) -> list[str]:
    """The default model and the registry's own. No path or hub name can be asked for over HTTP: whoever runs the
    server decides what it loads.
    """
    return list(dict.fromkeys([state.settings.model, *state.services.models.names()]))


def offered_spec(state: WebState, name: str | None) -> ModelSpec:
    """The spec of a model that a request names; None means the default.

    Raises:
        InvalidInput: it is not offered, or its files are missing or changed; the pointer is "/model".
    """
    wanted = state.settings.model if name is None else name
    offered = offered_models(state)
    if wanted not in offered:
        raise InvalidInput(
            f"the model {wanted[:80]!r} is not offered; choose one of {', '.join(offered)}. Another one can be made "
            "the server's default with NEARFIELD_MODEL",
            code="unknown-model",
            pointer="/model",
        )
    try:
        return state.services.models.spec(wanted)
    except ModelError as error:
        raise InvalidInput(error.message, code=error.code, pointer="/model") from None
