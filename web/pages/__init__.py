"""The browser pages: server-rendered, usable without scripts, livelier with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flask
from flask.blueprints import BlueprintSetupState

from services.wiring import Services
from web.errors import set_page_renderer
from web.pages import words
from web.pages.collections import CollectionPages
from web.pages.document import DocumentPages
from web.pages.errors import error_page, heading_of, sentence_of
from web.pages.jobs import JobPages
from web.pages.links import document_address, manage_address, search_address
from web.pages.manage import ManagePages
from web.pages.models import ModelPages
from web.pages.search import SearchPages, summary
from web.pages.sources import SourcePages

_WEB = Path(__file__).resolve().parent.parent
_FILTERS: tuple[Callable[..., object], ...] = (
    words.number,
    words.plural,
    words.size,
    words.sentence,
    words.iso_time,
    words.day_time,
    words.duration,
    words.took,
    words.reason_words,
    words.web_link,
    words.document_name,
    words.document_state,
    words.job_progress,
    words.job_settled,
    sentence_of,
    heading_of,
    summary,
)
_GLOBALS: tuple[Callable[..., object], ...] = (document_address, manage_address, search_address)


def create_pages(services: Services) -> flask.Blueprint:
    """The blueprint of all pages, to be registered without a prefix; it also renders the app's errors as pages."""
    blueprint = flask.Blueprint(
        "pages",
        __name__,
        template_folder=str(_WEB / "templates"),
        static_folder=str(_WEB / "static"),
        static_url_path="/static",
    )
    for part in (SearchPages, CollectionPages, ManagePages, DocumentPages, JobPages, ModelPages, SourcePages):
        part(services).register(blueprint)
    for function in _FILTERS:
        blueprint.add_app_template_filter(function)
    for function in _GLOBALS:
        blueprint.add_app_template_global(function)
    blueprint.after_request(_headers)
    blueprint.record_once(_show_errors)
    return blueprint


def _show_errors(setup: BlueprintSetupState) -> None:
    if isinstance(setup.app, flask.Flask):
        set_page_renderer(setup.app, error_page)


def _headers(response: flask.Response) -> flask.Response:
    """Pages are asked for again each time: what they show changes by itself."""
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "private, no-cache"
    return response
