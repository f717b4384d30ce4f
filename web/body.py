"""Request bodies: what content types mean, how large a body may be, and JSON through the guard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import flask

from services.errors import TooLarge, UnsupportedMedia
from web.json_guard import parse_json

JSON_TYPE = "application/json"
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
MULTIPART_TYPE = "multipart/form-data"


def require_type(request: flask.Request, allowed: Iterable[str]) -> str:
    """The media type of the request's body, if it is one that this route reads.

    Raises:
        UnsupportedMedia: another type, none at all, a charset other than UTF-8, or a compressed body.
    """
    given = request.mimetype
    if given not in allowed:
        raise UnsupportedMedia(
            f"the Content-Type is {given[:80] or 'missing'}; this route reads {' or '.join(allowed)}",
            pointer="/Content-Type",
        )
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii") and given != MULTIPART_TYPE:
        raise UnsupportedMedia(
            f"the charset is {charset[:40]!r}; send UTF-8", pointer="/Content-Type", code="unsupported-charset"
        )
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(
            f"the body is encoded as {encoding[:40]!r}; send it uncompressed",
            pointer="/Content-Encoding",
            code="unsupported-encoding",
        )
    return given


def require_size(request: flask.Request, limit_bytes: int) -> None:
    """Refuses a body that is longer than the limit before any of it is read.

    Raises:
        TooLarge: the declared length is over the limit.
    """
    length = request.content_length
    if length is not None and length > limit_bytes:
        raise TooLarge(
            f"the body has {length:,} bytes; at most {limit_bytes:,} are read here. Send less at a time", pointer=""
        )


def read_bytes(request: flask.Request, limit_bytes: int) -> bytes:
    """The whole body, at most ``limit_bytes`` of it.

    Raises:
        TooLarge: it is longer.
    """
    require_size(request, limit_bytes)
    body = request.stream.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise TooLarge(f"the body is longer than {limit_bytes:,} bytes; send less at a time", pointer="")
    return bytes(body)


def read_json(request: flask.Request, *, limit_bytes: int) -> Any:
    """The JSON value of the body.

    Raises:
        UnsupportedMedia: the body is not declared as JSON.
        MalformedJson, TooLarge: see ``parse_json``.
    """
    require_type(request, (JSON_TYPE,))
    return parse_json(read_bytes(request, limit_bytes), limit_bytes=limit_bytes)


def to_json(value: object) -> bytes:
    """A value as compact UTF-8 JSON. Half surrogates, should any have been stored, become question marks."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def json_response(value: object, status: int = 200, *, location: str | None = None) -> flask.Response:
    """A JSON answer."""
    response = flask.Response(to_json(value), status=status, content_type=JSON_TYPE)
    if location is not None:
        response.headers["Location"] = location
    return response
