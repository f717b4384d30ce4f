"""``GET /v1/models``: what ``/v1/embeddings`` can be asked with."""

from __future__ import annotations

import flask

from services.embedding.spec import ModelSpec
from services.errors import InvalidInput, ModelError, NotFound
from web.api.models import offered_models, offered_spec
from web.body import json_response
from web.endpoint import Answer, Router
from web.openai_api.errors import UNKNOWN_MODEL
from web.openai_api.shapes import OpenAIModelShape, OpenAIModelsShape
from web.state import WebState, web_state

routes = Router("openai", prefix="/v1", name="openai-models")


@routes.route(
    "GET",
    "/models",
    "List the models (as OpenAI's clients ask)",
    answers=Answer(200, "The models", OpenAIModelsShape),
    errors=(500, 503),
)
def list_openai_models() -> flask.Response:
    """The models that embed texts; the server's default one first."""
    state = web_state()
    found = [name for name in offered_models(state) if _is_usable(state, name)]
    answer: OpenAIModelsShape = {"object": "list", "data": [_shape(name) for name in found]}
    return json_response(answer)


@routes.route(
    "GET",
    "/models/<path:model_id>",
    "A model (as OpenAI's clients ask)",
    answers=Answer(200, "The model", OpenAIModelShape),
    errors=(404, 500, 503),
)
def get_openai_model(model_id: str) -> flask.Response:
    """Whether there is a model of that id."""
    offered(web_state(), model_id)
    return json_response(_shape(model_id))


def offered(state: WebState, name: str) -> ModelSpec:
    """The spec of an offered model that embeds texts.

    Raises:
        NotFound: code "unknown-model". InvalidInput: its files are missing or changed, or it embeds no texts.
    """
    try:
        spec = offered_spec(state, name)
    except InvalidInput as error:
        if error.code == UNKNOWN_MODEL:
            raise NotFound(error.message, code=UNKNOWN_MODEL, pointer="/model") from None
        raise ModelError(error.message, code=error.code) from None
    if "text" not in spec.modalities:
        raise InvalidInput(
            f"the model {name[:80]!r} embeds {' and '.join(spec.modalities)}, not texts; choose another one",
            code="no-text-side",
            pointer="/model",
        )
    return spec


def _is_usable(state: WebState, name: str) -> bool:
    """Whether a model's files are there; one that is not is named by /readyz, or by the list of models."""
    try:
        return "text" in state.services.models.spec(name).modalities
    except ModelError:
        return False


def _shape(name: str) -> OpenAIModelShape:
    # OpenAI's clients need a moment of creation; nobody knows those of these models
    return {"id": name, "object": "model", "created": 0, "owned_by": "nearfield"}
