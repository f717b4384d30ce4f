"""``/openapi.json`` and ``/docs``: the API document, and a page that shows it without network and inline scripts.

The stock page of the packaged documentation viewer is inline and breaks the content security policy; its files are
served from the installed package, between a template and a script of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files

import flask

from web.api.health import product_version
from web.endpoint import Endpoint
from web.openapi import build_document

_ASSETS = {
    "swagger-ui.css": ("css", "text/css"),
    "swagger-ui-bundle.js": ("js", "text/javascript"),
}
_OWN = {"docs.js": "text/javascript", "docs.css": "text/css"}
_HOUR_S = 3600


def create_docs(endpoints: Iterable[Endpoint]) -> flask.Blueprint:
    """The blueprint of the API's documentation. The document is made on the first request and kept as bytes."""
    blueprint = flask.Blueprint("docs", __name__)
    listed = tuple(endpoints)
    made: list[bytes] = []

    @blueprint.get("/openapi.json")
    def document() -> flask.Response:
        if not made:
            made.append(json.dumps(build_document(listed, product_version()), ensure_ascii=False).encode("utf-8"))
        return flask.Response(made[0], content_type="application/json")

    @blueprint.get("/docs")
    def page() -> flask.Response:
        return flask.Response(_read_own("docs.html"), content_type="text/html; charset=utf-8")

    @blueprint.get("/docs/assets/<file_name>")
    def asset(file_name: str) -> flask.Response:
        if file_name in _OWN:
            body, media_type = _read_own(file_name), _OWN[file_name]
        elif file_name in _ASSETS:
            folder, media_type = _ASSETS[file_name]
            body = files("flask_openapi_swagger").joinpath("templates", "swagger", folder, file_name).read_bytes()
        else:
            flask.abort(404)
        response = flask.Response(body, content_type=f"{media_type}; charset=utf-8")
        response.cache_control.max_age = _HOUR_S
        return response

    return blueprint


def _read_own(file_name: str) -> bytes:
    return files(__package__).joinpath(file_name).read_bytes()
