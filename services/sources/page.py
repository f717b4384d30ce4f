"""From a fetched page to the file that is handed over: its name, its link, its claimed type."""

from __future__ import annotations

import html
import re
from typing import BinaryIO
from urllib.parse import unquote

from services.errors import InvalidInput
from services.ingest.values import FileInput
from services.sources.fetch.urls import PageUrl, parse_url
from services.sources.fetch.values import Fetched

HEAD_BYTES = 64 * 1024
_LINK = re.compile(rb"<link\s[^<>]{1,2000}>", re.IGNORECASE)
_CANONICAL = re.compile(rb"""\brel\s*=\s*["']?\s*canonical\b""", re.IGNORECASE)
_HREF = re.compile(rb"""\bhref\s*=\s*(?:"([^"]{1,2000})"|'([^']{1,2000})')""", re.IGNORECASE)


def page_file(fetched: Fetched, found: PageUrl, document_id: str) -> FileInput:
    """The fetched page as a file to be taken.

    Args:
        fetched: with a body.
        found: where it was found, parsed.
        document_id: its stable id.
    """
    assert fetched.body is not None  # noqa: S101 - the caller has looked
    return FileInput(
        name=page_name(found),
        body=fetched.body,
        id=document_id,
        media_type=fetched.media_type,
        url=canonical_url(fetched.body, found),
    )


def page_name(found: PageUrl) -> str:
    """What the page is called as a file: host and path; the query is left out, so that an ending stays one."""
    path = unquote(found.url.raw_path.decode("ascii", "replace").partition("?")[0])
    return found.host + (path.rstrip("/") if path.strip("/") else "")


def canonical_url(body: BinaryIO, found: PageUrl) -> str:
    """Where the page says it belongs, if that is on the same host; else where it was found.

    Only the first 64 KiB are looked at, as bytes: this is a link to show, not a document to parse.
    """
    body.seek(0)
    head = body.read(HEAD_BYTES)
    body.seek(0)
    for link in _LINK.finditer(head):
        target = _HREF.search(link.group()) if _CANONICAL.search(link.group()) else None
        if target is not None:
            text = html.unescape((target[1] or target[2]).decode("utf-8", "replace")).strip()
            return _same_host(text, found) or str(found)
    return str(found)


def _same_host(text: str, found: PageUrl) -> str:
    try:
        named = parse_url(str(found.url.join(text)), ports={found.port, 80, 443})
    except (InvalidInput, ValueError, TypeError):
        return ""
    return str(named) if named.host == found.host else ""
