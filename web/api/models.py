"""The embedding models: which there are, what they are, whether they are whole, what they cost, which is the default.

Models are installed on the server itself (``nearfield models pull``): what a server loads, and from where, is decided
by whoever runs it, never by a request. Training one on a collection is ``trainings.py``.
"""

from __future__ import annotations

import threading

import flask

from services.embedding.families import FAMILIES, trainable
from services.embedding.installing.models import ModelFacts
from services.embedding.spec import ModelSpec
from services.embedding.truncated import read_truncation
from services.errors import InvalidInput, ModelError, Overloaded
from services.wiring import provider_options
from web.body import json_response
from web.endpoint import Answer, Router
from web.model_shapes import (
    BenchmarkQuery,
    BenchmarkShape,
    DefaultModelIn,
    FamiliesShape,
    ModelShape,
    ModelsShape,
    RemovedModelShape,
    TrainedOnShape,
    UsageShape,
    VerificationShape,
)
from web.present import rfc3339
from web.state import WebState, web_state

routes = Router("models")

_MEASURING = threading.Lock()
"""A measurement beside another would measure neither."""


@routes.route("GET", "/models", "List the embedding models", answers=Answer(200, "The models", ModelsShape))
def list_models() -> flask.Response:
    """All models this server knows by name; the default one first."""
    state = web_state()
    items: list[ModelShape] = []
    answer: ModelsShape = {"items": items, "unusable": [], "next_cursor": None}
    for facts in state.services.installed.all():
        if facts.spec is None or facts.problem:
            answer["unusable"].append({"name": facts.name, "problem": facts.problem, "used_by": list(facts.used_by)})
        else:
            items.append(_model_json(state, facts, facts.spec))
    return json_response(answer)


@routes.route(
    "GET", "/models/families", "List the kinds of embedding", answers=Answer(200, "The families", FamiliesShape)
)
def list_families() -> flask.Response:
    """Every kind of embedding there is, and which ones can be trained on a collection."""
    can = trainable()
    answer: FamiliesShape = {
        "items": [
            {"name": family.name, "what": family.what, "trainable": family.name in can} for family in FAMILIES.values()
        ],
        "next_cursor": None,
    }
    return json_response(answer)


@routes.route(
    "GET", "/models/default", "Look at the default model", answers=Answer(200, "The model", ModelShape), errors=(409,)
)
def get_default_model() -> flask.Response:
    """The model of collections that are created without one."""
    state = web_state()
    return _model(state, state.services.installed.default.name())


@routes.route(
    "PUT",
    "/models/default",
    "Choose the default model",
    answers=Answer(200, "The model", ModelShape),
    errors=(404, 409),
    body=DefaultModelIn,
)
def set_default_model(body: DefaultModelIn) -> flask.Response:
    """Collections that are created without naming a model get it from now on; those that exist keep theirs.

    Refused while NEARFIELD_MODEL is set, which decides then.
    """
    state = web_state()
    state.services.installed.choose(body.model)
    return _model(state, body.model)


@routes.route(
    "GET",
    "/models/<path:model>",
    "Look at a model",
    answers=Answer(200, "The model", ModelShape),
    errors=(404, 409),
)
def get_model(model: str) -> flask.Response:
    """One model, with its source, its size and the collections that use it."""
    return _model(web_state(), model)


@routes.route(
    "DELETE",
    "/models/<path:model>",
    "Remove an installed model",
    answers=Answer(200, "What was removed", RemovedModelShape),
    errors=(404, 409),
)
def remove_model(model: str) -> flask.Response:
    """Refused while a collection uses it, and while it is the default."""
    web_state().services.installed.remove(model)
    answer: RemovedModelShape = {"removed": model}
    return json_response(answer)


@routes.route(
    "POST",
    "/models/<path:model>/verify",
    "Check the files of a model",
    answers=Answer(200, "What was found", VerificationShape),
    errors=(404,),
)
def verify_model(model: str) -> flask.Response:
    """Reads every file and compares it with what was noted when the model was installed."""
    found = web_state().services.installed.verify(model)
    answer: VerificationShape = {
        "name": found.name,
        "ok": found.ok,
        "against": found.against,
        "files": found.files,
        "differences": [{"file": each.file, "what": each.what} for each in found.differences],
        "problem": found.problem or None,
    }
    return json_response(answer)


@routes.route(
    "POST",
    "/models/<path:model>/benchmark",
    "Measure a model",
    answers=Answer(200, "What it costs", BenchmarkShape),
    errors=(404, 409),
    query=BenchmarkQuery,
)
def benchmark_model(model: str, query: BenchmarkQuery) -> flask.Response:
    """In a process of its own, beside whatever else the server does. One at a time: 503 while another runs."""
    if not _MEASURING.acquire(blocking=False):
        raise Overloaded("another model is being measured; try again when that is done", retry_after_s=20)
    try:
        found = web_state().services.installed.benchmark(model, query.seconds)
    finally:
        _MEASURING.release()
    answer: BenchmarkShape = {
        "name": model,
        "texts_per_s": found.texts_per_s,
        "query_p50_ms": found.query_p50_ms,
        "load_s": found.load_s,
        "memory_bytes": found.memory_bytes,
        "runtime": found.runtime,
        "precision": found.precision,
        "why": found.why,
        "cores": found.cores,
    }
    return json_response(answer)


def offered_models(state: WebState) -> list[str]:
    """The default model and the registry's own. No path or hub name can be asked for over HTTP: whoever runs the
    server decides what it loads.
    """
    return state.services.installed.names()


def usable_specs(state: WebState) -> list[ModelSpec]:
    """The offered models whose files are there."""
    found = []
    for name in offered_models(state):
        try:
            found.append(state.services.models.spec(name))
        except ModelError:
            continue  # the list of models says what is wrong with it
    return found


def offered_spec(state: WebState, name: str | None) -> ModelSpec:
    """The spec of a model that a request names, also one cut to its first numbers (``NAME?dim=N``); None: the default.

    Raises:
        InvalidInput: it is not offered, or its files are missing or changed; the pointer is "/model".
    """
    wanted = state.services.installed.default.name() if name is None else name
    offered = offered_models(state)
    cut = read_truncation(wanted)
    if (wanted if cut is None else cut.model) not in offered:
        raise InvalidInput(
            f"the model {wanted[:80]!r} is not offered; choose one of {', '.join(offered)}. Others are installed on "
            "the server with `nearfield models pull`",
            code="unknown-model",
            pointer="/model",
        )
    try:
        return state.services.models.spec(wanted)
    except ModelError as error:
        raise InvalidInput(error.message, code=error.code, pointer="/model") from None


def _model(state: WebState, name: str) -> flask.Response:
    facts = state.services.installed.describe(name)
    if facts.spec is None or facts.problem:
        raise ModelError(facts.problem, code="model-unusable", pointer="/model")
    return json_response(_model_json(state, facts, facts.spec))


def _model_json(state: WebState, facts: ModelFacts, spec: ModelSpec) -> ModelShape:
    record = facts.record
    return {
        "name": facts.name,
        "family": spec.family,
        "modalities": list(spec.modalities),
        "dimensions": spec.dim,
        "max_tokens": spec.max_tokens,
        "pooling": spec.pooling,
        "licence": spec.licence,
        "fingerprint": spec.fingerprint,
        "default": facts.default,
        "default_by": state.services.installed.default.by().value if facts.default else None,
        "installed": facts.installed,
        "source": facts.source,
        "revision": record.revision if record is not None else spec.revision,
        "installed_at": rfc3339(record.installed_at_ms) if record is not None else None,
        "size_bytes": facts.size_bytes,
        "trained_on": _trained_json(facts),
        "used_by": list(facts.used_by),
        "runtime": {
            "name": facts.runtime.name,
            "precision": facts.runtime.precision,
            "why": facts.runtime.why,
        }
        if facts.runtime is not None
        else None,
        "usage": _usage_json(state, facts.name),
    }


def _usage_json(state: WebState, name: str) -> UsageShape | None:
    price = provider_options(state.services.settings).known(name).price
    used = state.services.spending.of(name, price)
    if used is None:
        return None
    return {"requests": used.requests, "texts": used.texts, "tokens": used.tokens, "cost": used.cost}


def _trained_json(facts: ModelFacts) -> TrainedOnShape | None:
    training = facts.record.training if facts.record is not None else None
    if training is None:
        return None
    return {
        "collection": training.collection,
        "documents": training.documents,
        "settings": dict(training.settings),
        "training_id": training.id,
    }
