"""Addresses of pages. Document ids go into the query part: a path would lose ids such as "../x" or "a//b"."""

from __future__ import annotations

import flask

from services.search.values import Hit
from web.pages.state import SearchState


def search_address(collection: str, state: SearchState) -> str:
    """A search that can be shared."""
    query = state.query_string()
    return flask.url_for("pages.search", collection=collection) + (f"?{query}" if query else "")


def document_address(collection: str, document_id: str, at: int | None = None) -> str:
    """A document's page; ``at`` is the character where the shown part of a long text starts."""
    return flask.url_for("pages.document", collection=collection, id=document_id, at=at)


def hit_address(hit: Hit, query: str) -> str:
    """A document's page with the hit's passage marked and in view."""
    return flask.url_for(
        "pages.document",
        collection=hit.collection,
        id=hit.id,
        start=hit.passage.start,
        end=hit.passage.end,
        v=hit.generation,
        q=query or None,
        _anchor="passage",
    )


def thumbnail_address(hit: Hit) -> str:
    """A small picture of a hit."""
    return flask.url_for("pages.thumbnail", collection=hit.collection, id=hit.id, v=hit.generation)


def download_address(hit: Hit) -> str:
    """A hit's original, as a download."""
    return flask.url_for("pages.original", collection=hit.collection, id=hit.id)


def manage_address(
    collection: str,
    *,
    state: str = "",
    code: str = "",
    q: str = "",
    cursor: str = "",
    done: str = "",
    n: int | None = None,
    job: str = "",
) -> str:
    """A collection's own page: a part of its list of documents, or codes for what was just done to it."""
    return flask.url_for(
        "pages.manage",
        collection=collection,
        state=state or None,
        code=code or None,
        q=q or None,
        cursor=cursor or None,
        done=done or None,
        n=n,
        job=job or None,
    )
