"""The Flask application: routes, checks, errors. Built from services; holds no state of its own beyond ``WebState``."""

from __future__ import annotations

import contextlib
import logging

import flask
from redis.exceptions import RedisError

from services.embedding.providers.options import is_provider_name
from services.errors import NearfieldError
from services.search.values import SearchRequest
from services.settings import Settings
from services.wiring import Services
from web import errors, paths, security, uploads
from web.api import (
    adding,
    collections,
    documents,
    failures,
    health,
    jobs,
    models,
    rerankers,
    search,
    sources,
    trainings,
)
from web.docspage import create_docs
from web.openai_api import embeddings as openai_embeddings
from web.openai_api import models as openai_models
from web.openai_api.errors import error_response
from web.pages import create_pages
from web.slots import UploadSlots
from web.state import STATE_KEY, WebState
from web.warmup import Warmup

log = logging.getLogger(__name__)

WARM_TIMEOUT_S = 120.0
"""For the first pass through a model: large ones are read from the disk while it runs."""

_WARM = "warm"

ROUTERS = (
    collections.routes,
    adding.routes,
    documents.routes,
    sources.routes,
    failures.routes,
    search.routes,
    jobs.routes,
    models.routes,
    rerankers.routes,
    trainings.routes,
    openai_embeddings.routes,
    openai_models.routes,
    health.routes,
)


def create_app(services: Services, settings: Settings | None = None) -> flask.Flask:
    """The application over ``services``. Nothing is loaded or connected here; ``state_of(app).warmup.start()`` begins
    to load the model.

    Args:
        services: built by the composition root.
        settings: when they differ from those the services were built with (tests); else theirs.
    """
    settings = settings or services.settings
    app = flask.Flask("web", static_folder=None, template_folder=None)
    uploads.configure(app, settings.max_body_bytes)
    warmup = Warmup(lambda: _warm(services), services.installed.default.name())
    slots = UploadSlots(settings.uploads_at_once, settings.web_threads)
    app.extensions[STATE_KEY] = WebState(services, settings, warmup, slots)
    security.register(app, settings)  # first: it gives the request its id
    paths.register(app)
    app.extensions[errors.FOREIGN_SHAPES_KEY] = {"/v1/": error_response}
    errors.register(app)
    for router in ROUTERS:
        app.register_blueprint(router.blueprint())
    app.register_blueprint(create_docs(endpoint for router in ROUTERS for endpoint in router.endpoints))
    app.register_blueprint(create_pages(services))
    security.warn_if_public(settings)
    return app


def state_of(app: flask.Flask) -> WebState:
    """What the application's routes share."""
    state: WebState = app.extensions[STATE_KEY]
    return state


def _warm(services: Services) -> None:
    """Loads the default model and searches once: the first forward pass is several times slower than the next.

    The jobs' index is made here again, for a ledger that was not there yet when the process started.

    A provider is not asked: nothing of its model lies here to be warmed, each question costs money, and whether this
    server is ready must not depend on somebody else's.
    """
    services.jobs.prepare()
    default = services.installed.default.name()
    if is_provider_name(default):
        return
    name = services.models.spec(default).name
    queries = services.queries.named(name)
    if "text" not in queries.spec.modalities:  # it is loaded, and no word can be tried on it
        return
    queries.embed(_WARM, WARM_TIMEOUT_S)
    with contextlib.suppress(NearfieldError, RedisError):  # an index that is away keeps nobody from becoming ready
        for collection in services.collections.list():
            if collection.model == name:
                services.search.search(collection, SearchRequest(_WARM, limit=1))
                break
