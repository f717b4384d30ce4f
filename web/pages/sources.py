"""What a collection follows: its sources, how far each is, and adding, syncing and removing them. No script needed."""

from __future__ import annotations

from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from services.collections.values import Collection
from services.errors import InvalidInput, NearfieldError
from services.sources.folder import folder_roots
from services.sources.values import SourceState
from services.wiring import Services
from web.api.sources import follow, source_json
from web.errors import Problem
from web.pages.errors import current_problem
from web.source_shapes import SourceIn
from web.state import web_state

EVERY = (("86400", "once a day"), ("3600", "once an hour"), ("604800", "once a week"), ("0", "once only"))
NOTICES = {
    "following": "It is followed now; it will be looked at within moments.",
    "syncing": "It is looked at as soon as possible.",
    "removing": "It is followed no more.",
}
STATES = {
    SourceState.WAITING: "Not looked at yet",
    SourceState.SYNCING: "Being looked at",
    SourceState.IDLE: "Up to date",
    SourceState.FAILED: "Could not be read",
    SourceState.REMOVING: "Being removed",
}


class SourcePages:
    """Views of a collection's sources and the forms there."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes."""
        add = blueprint.add_url_rule
        add("/c/<collection>/sources", "sources", self.show)
        add("/c/<collection>/sources", "add_source", self.add, methods=["POST"])
        add("/c/<collection>/sources/<source>/sync", "sync_source", self.sync, methods=["POST"])
        add("/c/<collection>/sources/<source>/remove", "remove_source", self.remove, methods=["POST"])

    def show(self, collection: str) -> str:
        """The page itself."""
        return self._page(
            web_state().collection(collection), notice=NOTICES.get(flask.request.args.get("done", ""), "")
        )

    def add(self, collection: str) -> Response | tuple[str, int]:
        """Follows what the form names; a refusal comes back with what was typed."""
        found = web_state().collection(collection)
        form = flask.request.form
        location = form.get("location", "").strip()
        try:
            is_page = location.lower().startswith(("http://", "https://"))
            body = SourceIn(
                location=location,
                kind="sitemap" if is_page and form.get("sitemap") else None,
                every_s=_every(form.get("every", "")) if is_page else None,
                include=_patterns(form.get("include", "")),
                exclude=_patterns(form.get("exclude", "")),
                name="",
                other_hosts=False,
            )
            follow(web_state(), collection, body)
        except NearfieldError as error:
            problem = current_problem(error)
            return self._page(found, problem=problem, location=location), problem.status
        return _back(collection, "following")

    def sync(self, collection: str, source: str) -> Response:
        """Has it looked at now."""
        sources = self._services.sources
        sources.ask_for_sync(sources.get(web_state().collection(collection).id, source).source.id)
        return _back(collection, "syncing")

    def remove(self, collection: str, source: str) -> Response:
        """Stops following; the documents stay unless the box is ticked."""
        sources = self._services.sources
        found = sources.get(web_state().collection(collection).id, source)
        sources.ask_for_removal(found.source.id, delete_documents=bool(flask.request.form.get("documents")))
        return _back(collection, "removing")

    def _page(
        self, collection: Collection, *, notice: str = "", problem: Problem | None = None, location: str = ""
    ) -> str:
        followed = self._services.sources.of_collection(collection.id)
        return flask.render_template(
            "sources.html",
            collection=collection,
            sources=[(source_json(one), STATES[one.state], one.status) for one in followed],
            roots=folder_roots(web_state().settings.source_folders),
            every=EVERY,
            notice=notice,
            problem=problem,
            location=location,
        )


def _every(text: str) -> int | None:
    if text not in {value for value, _ in EVERY}:
        raise InvalidInput("choose how often it is looked at from the list", code="bad-interval")
    return int(text)


def _patterns(text: str) -> list[str]:
    return [pattern for pattern in text.split(",") if pattern.strip()]


def _back(collection: str, done: str) -> Response:
    return flask.redirect(flask.url_for("pages.sources", collection=collection, done=done), HTTPStatus.SEE_OTHER)
