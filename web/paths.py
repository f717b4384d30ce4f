"""Document ids in addresses: any text, slashes included, without a second meaning.

A WSGI server decodes the path before the router sees it, so ``a%2Ftext`` (the document "a/text") and ``a/text`` (the
text of the document "a") would look alike. For the API's paths the escapes of "/" and "%" are kept until a route's
``docid`` parameter decodes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import flask
from werkzeug.routing import PathConverter

from web.errors import RequestRefused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEPT_ESCAPES = re.compile(r"%(2f|25)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class DocumentIdConverter(PathConverter):
    """A document id as the rest of a path, its kept escapes decoded."""

    def to_python(self, value: str) -> str:
        """The id that the client meant."""
        return _KEPT_ESCAPES.sub(lambda match: "/" if match[1].lower() == "2f" else "%", value)

    def to_url(self, value: str) -> str:
        """The id as one path segment."""
        return super().to_url(value).replace("/", "%2F")


def keep_escapes(app: WSGIApplication) -> WSGIApplication:
    """The same application, whose API paths keep ``%2F`` and ``%25`` where the client sent them."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raw = str(environ.get("REQUEST_URI", ""))
        if "%" in raw and str(environ.get("PATH_INFO", "")).startswith("/api/"):
            path = urlsplit(raw).path if raw.startswith(("http://", "https://")) else raw.partition("?")[0]
            if _KEPT_ESCAPES.search(path):
                kept = _KEPT_ESCAPES.sub(lambda match: "%25" + match[1].upper(), path)
                environ["PATH_INFO"] = unquote_to_bytes(kept).decode("latin-1")
        return app(environ, start_response)

    return wrapped


def register(app: flask.Flask) -> None:
    """Adds the converter, the kept escapes and a check that path and query string are readable text."""
    app.url_map.converters["docid"] = DocumentIdConverter
    wsgi_app: Callable[..., Any] = app.wsgi_app
    app.wsgi_app = keep_escapes(wsgi_app)  # type: ignore[method-assign, assignment]

    @app.before_request
    def check_address() -> None:
        environ = flask.request.environ
        path: str = environ.get("PATH_INFO", "")
        if not path.isascii() or not path.isprintable():
            _check_text(path.encode("latin-1"), "path")
        query: str = environ.get("QUERY_STRING", "")
        if "%" in query or not query.isascii():
            _check_query(query)


def _check_text(data: bytes, part: str) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestRefused(
            f"the {part} of the address is not UTF-8; percent-encode text as UTF-8", code="bad-address", status=400
        ) from None
    if _CONTROL.search(text):
        raise RequestRefused(
            f"the {part} of the address holds control characters; remove them", code="bad-address", status=400
        )


def _check_query(query: str) -> None:
    try:
        unquote_to_bytes(query.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise RequestRefused(
            "the query string is not UTF-8; percent-encode text as UTF-8", code="bad-address", status=400
        ) from None
