"""The Flask application: routes, checks, errors. Built from services; holds no state of its own beyond ``WebState``."""

from __future__ import annotations

import logging

import flask

from services.settings import Settings
from services.wiring import Services
from web import errors, paths, security, uploads
from web.api import adding, collections, documents, failures, health, jobs, models, search, sources
from web.docspage import create_docs
from web.pages import create_pages
from web.slots import UploadSlots
from web.state import STATE_KEY, WebState
from web.warmup import Warmup

log = logging.getLogger(__name__)

ROUTERS = (
    collections.routes,
    adding.routes,
    documents.routes,
    sources.routes,
    failures.routes,
    search.routes,
    jobs.routes,
    models.routes,
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
    warmup = Warmup(lambda: _warm(services, settings), settings.model)
    slots = UploadSlots(settings.uploads_at_once, settings.web_threads)
    app.extensions[STATE_KEY] = WebState(services, settings, warmup, slots)
    security.register(app, settings)  # first: it gives the request its id
    paths.register(app)
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


def _warm(services: Services, settings: Settings) -> None:
    """Loads the default model and runs it once: the first forward pass is several times slower than the next.

    The jobs' index is made here again, for a ledger that was not there yet when the process started.
    """
    services.jobs.prepare()
    services.models.load(services.models.spec(settings.model).name).embed_queries(["warm"])
