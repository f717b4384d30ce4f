"""A document as it was given, sent from the disk piece by piece and always as a download."""

from __future__ import annotations

import flask
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.utils import send_file
from werkzeug.wsgi import wrap_file

from services.ingest.texts import Original

PIECE_BYTES = 256 * 1024
_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"


def thumbnail_response(data: bytes) -> flask.Response:
    """A thumbnail that was made here, to be shown in a page: a JPEG and nothing else to any browser."""
    response = flask.Response(data, content_type="image/jpeg")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


def attachment(original: Original) -> flask.Response:
    """A download that no browser renders, under the name it came with (RFC 6266 for names beyond ASCII).

    The server reads the file while the client takes it, which holds no thread, and closes it with the response, however
    that ends. A part of it can be asked for (``Range``).

    Raises:
        RequestedRangeNotSatisfiable: a range that is not in it.
    """
    environ = flask.request.environ
    response = flask.make_response(
        send_file(
            original.body,
            environ,
            mimetype=original.media_type or "application/octet-stream",
            as_attachment=True,
            download_name=original.file_name or "document",
            conditional=False,
        )
    )
    response.response = wrap_file(environ, original.body, PIECE_BYTES)
    response.content_length = original.size
    response.headers["Content-Security-Policy"] = _POLICY
    try:
        response.make_conditional(environ, accept_ranges=True, complete_length=original.size)
    except RequestedRangeNotSatisfiable:
        original.body.close()
        raise
    return response
