"""Sources: pages, sitemaps and folders that a collection follows by itself."""

from __future__ import annotations

import flask

from services.sources.asking import make_source
from services.sources.fetch.values import ports_of
from services.sources.folder import folder_roots
from services.sources.values import FollowedSource
from web.body import json_response
from web.endpoint import API_PREFIX, Answer, Router
from web.present import rfc3339
from web.source_shapes import SourceDetailShape, SourceIn, SourceRemovalQuery, SourceShape, SourcesShape
from web.state import WebState, web_state

routes = Router("sources")

MAX_FAILURES = 50


@routes.route(
    "GET",
    "/collections/<name>/sources",
    "List the sources of a collection",
    answers=Answer(200, "The sources, by name", SourcesShape),
    errors=(404,),
)
def list_sources(name: str) -> flask.Response:
    """What the collection follows, and how far each source is."""
    state = web_state()
    found = state.services.sources.of_collection(state.collection(name).id)
    answer: SourcesShape = {"items": [source_json(followed) for followed in found], "next_cursor": None}
    return json_response(answer)


@routes.route(
    "POST",
    "/collections/<name>/sources",
    "Follow a page, a sitemap or a folder",
    answers=Answer(201, "The source; Location is its address", SourceShape),
    errors=(404, 409),
    body=SourceIn,
)
def add_source(name: str, body: SourceIn) -> flask.Response:
    """It is looked at within moments. What it cannot reach is told by its state, not by this answer."""
    state = web_state()
    followed = follow(state, name, body)
    location = f"{API_PREFIX}/collections/{name}/sources/{followed.source.name}"
    return json_response(source_json(followed), 201, location=location)


@routes.route(
    "GET",
    "/collections/<name>/sources/<source>",
    "Look at a source",
    answers=Answer(200, "The source", SourceDetailShape),
    errors=(404,),
)
def get_source(name: str, source: str) -> flask.Response:
    """One source, with the first files or pages that could not be taken."""
    state = web_state()
    return json_response(_detail(state, _find(state, name, source)))


@routes.route(
    "POST",
    "/collections/<name>/sources/<source>/sync",
    "Look at a source now",
    answers=Answer(202, "It is looked at as soon as possible", SourceShape),
    errors=(404,),
)
def sync_source(name: str, source: str) -> flask.Response:
    """Does not wait for the end; the source's last_sync_at tells."""
    state = web_state()
    followed = _find(state, name, source)
    state.services.sources.ask_for_sync(followed.source.id)
    return json_response(source_json(followed), 202)


@routes.route(
    "DELETE",
    "/collections/<name>/sources/<source>",
    "Stop following a source",
    answers=Answer(202, "It is being removed", SourceShape),
    errors=(404,),
    query=SourceRemovalQuery,
)
def remove_source(name: str, source: str, query: SourceRemovalQuery) -> flask.Response:
    """Its documents stay, or are deleted too. The name is free once that is done."""
    state = web_state()
    followed = _find(state, name, source)
    state.services.sources.ask_for_removal(followed.source.id, delete_documents=query.documents == "delete")
    return json_response(source_json(_find(state, name, source)), 202)


def follow(state: WebState, name: str, body: SourceIn) -> FollowedSource:
    """Takes a source in.

    Raises:
        NotFound: no such collection. InvalidInput: what is wrong with it. Conflict: the name is taken.
    """
    settings = state.settings
    source = make_source(
        state.collection(name),
        body.as_wish(),
        roots=folder_roots(settings.source_folders),
        ports=ports_of(settings.fetch_ports),
    )
    return state.services.sources.create(source)


def _find(state: WebState, name: str, source: str) -> FollowedSource:
    return state.services.sources.get(state.collection(name).id, source)


def source_json(followed: FollowedSource) -> SourceShape:
    """A source as the API shows it."""
    source, status = followed.source, followed.status
    return {
        "name": source.name,
        "kind": source.kind.value,
        "location": source.location,
        "every_s": source.every_s,
        "include": list(source.include),
        "exclude": list(source.exclude),
        "other_hosts": source.other_hosts,
        "state": followed.state.value,
        "created_at": rfc3339(source.created_at_ms),
        "last_sync_at": rfc3339(status.last_sync_ms) if status.last_sync_ms else None,
        "next_sync_at": rfc3339(status.next_sync_ms) if status.next_sync_ms else None,
        "counts": {
            "added": status.tally.added,
            "changed": status.tally.changed,
            "removed": status.tally.removed,
            "unchanged": status.tally.unchanged,
            "failed": status.tally.failed,
            "waiting": status.tally.waiting,
        },
        "documents": status.items,
        "error": {"code": status.error_code, "message": status.error} if status.error_code else None,
    }


def _detail(state: WebState, followed: FollowedSource) -> SourceDetailShape:
    failed = state.services.sources.failed_items(followed.source.id, MAX_FAILURES)
    return {**source_json(followed), "failures": [{"item": item, "error": error} for item, error in failed]}
