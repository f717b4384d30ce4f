"""The search page: the start page and every collection's page are one page in different states.

It is one GET form, so it works without scripts; a script asks for the results alone while the reader types, and they
are rendered by the same template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from services.collections.values import Collection
from services.errors import NearfieldError
from services.search.values import Hit, SearchAnswer, SearchRequest
from services.wiring import Services
from web.api.search import MAX_FORM_BYTES, posted_media
from web.errors import Problem
from web.filter_params import filter_from_args
from web.pages.controls import MAX_CHOICES, ActiveFilter, Control, active_filters, controls_of, suggest_tags
from web.pages.errors import current_problem, heading_of
from web.pages.examples import DEMO_COLLECTION, EXAMPLES, Example
from web.pages.hits import HitView, hit_view
from web.pages.links import download_address, hit_address, search_address, thumbnail_address
from web.pages.notices import notice
from web.pages.standing import Listed, Standing, standing
from web.pages.state import MAX_PAGE, PAGE_SIZE, SearchState, read_state
from web.pages.suggestions import TagSuggestions
from web.pages.words import number, plural
from web.state import web_state
from web.uploads import allow_upload

NEIGHBOURS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Everything the search templates show. ``answer`` and ``problem`` are both None while nothing was asked."""

    home: bool
    names: tuple[str, ...]
    collection: Collection | None
    state: SearchState
    standing: Standing
    controls: tuple[Control, ...] = ()
    active: tuple[ActiveFilter, ...] = ()
    answer: SearchAnswer | None = None
    hits: tuple[HitView, ...] = ()
    problem: Problem | None = None
    query_limit_tokens: int = 0
    neighbours: tuple[Listed, ...] = ()
    modalities: tuple[str, ...] = ("text",)

    @property
    def status(self) -> int:
        """The HTTP status: a search that failed says so to programs as well."""
        return self.problem.status if self.problem else HTTPStatus.OK

    @property
    def examples(self) -> tuple[Example, ...]:
        """The demo's example questions, for the demo's collection only."""
        return EXAMPLES if self.collection is not None and self.collection.name == DEMO_COLLECTION else ()

    @property
    def has_next(self) -> bool:
        """Whether there is another page of hits to go to."""
        return self.answer is not None and self.answer.has_more and self.state.page < MAX_PAGE


def summary(page: SearchPage) -> str:
    """What the list of hits is, in one line. A semantic search ranks everything, so it never claims "n matches"."""
    if page.answer is None:
        return heading_of(page.problem) if page.problem else ""
    shown, first = len(page.hits), page.state.offset + 1
    if not shown:
        return "No results"
    if first > 1:
        return f"Nearest {number(first)} to {number(first + shown - 1)}"
    among = "that pass the filters" if page.active else f"of {plural(page.answer.searchable, 'document')}"
    if page.answer.has_more:
        return f"The {shown} nearest {among}"
    return f"{plural(shown, 'document')}{' ' + among if page.active else ''}, the nearest first"


class SearchPages:
    """Views of the search page."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._suggestions = TagSuggestions(services)

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes."""
        blueprint.add_url_rule("/", "home", self.home)
        blueprint.add_url_rule("/search", "choose", self.choose)
        blueprint.add_url_rule("/c/<collection>", "search", self.search)
        blueprint.add_url_rule("/c/<collection>/results", "results", self.results)
        blueprint.add_url_rule("/c/<collection>/by-file", "search_by_media", self.search_by_media, methods=["POST"])

    def home(self) -> str:
        """The start page: the search box, or how to begin while there is nothing to search."""
        names = self._names()
        chosen = DEMO_COLLECTION if DEMO_COLLECTION in names else next(iter(names), "")
        collection = web_state().remembered_collection(chosen) if chosen else None
        page = SearchPage(
            home=True,
            names=names,
            collection=collection,
            state=SearchState(),
            standing=standing(self._services, collection) if collection else Standing(known=True),
            modalities=self._modalities(collection) if collection else ("text",),
            neighbours=self._neighbours(),
        )
        return flask.render_template("search.html", page=page, notice=notice(flask.request.args))

    def choose(self) -> Response:
        """Where the start page's form goes without scripts: to the collection that was chosen in it."""
        name = flask.request.args.get("collection", "")
        return flask.redirect(
            search_address(name, read_state(flask.request.args)) if name else flask.url_for("pages.home")
        )

    def search(self, collection: str) -> Response | tuple[str, int]:
        """A collection's search page; an address made by a plain form is first brought into its short shape."""
        args = flask.request.args
        state = read_state(args)
        chosen = args.get("collection", collection)
        if chosen != collection:  # another collection has other fields, so the filters stay behind
            return flask.redirect(search_address(chosen, SearchState(query=state.query)))
        if "collection" in args or not all(value for _, value in args.items(multi=True)):
            return flask.redirect(search_address(collection, state))
        page = self._page(collection, state, self._names())
        return flask.render_template("search.html", page=page, notice=notice(args)), page.status

    def search_by_media(self, collection: str) -> tuple[str, int]:
        """The documents nearest to a picture or a sound that was posted; what was posted is not kept."""
        found = web_state().remembered_collection(collection)
        answer, problem = None, None
        try:
            allow_upload(flask.request, MAX_FORM_BYTES)
            request = SearchRequest("", PAGE_SIZE, media=posted_media(web_state(), found))
            answer = web_state().search(found, request)
        except NearfieldError as error:
            problem = current_problem(error)
        page = self._shown(found, SearchState(), self._names(), answer, problem)
        return flask.render_template("search.html", page=page, notice=""), page.status

    def results(self, collection: str) -> tuple[str, int]:
        """The filters and results alone, for the script."""
        page = self._page(collection, read_state(flask.request.args))
        return flask.render_template("results.html", page=page), page.status

    def _neighbours(self) -> tuple[Listed, ...]:
        found = self._services.collections.list()[:NEIGHBOURS_SHOWN]
        return tuple(Listed(collection, standing(self._services, collection)) for collection in found)

    def _names(self) -> tuple[str, ...]:
        return tuple(collection.name for collection in self._services.collections.list())

    def _page(self, name: str, state: SearchState, names: tuple[str, ...] = ()) -> SearchPage:
        collection = web_state().remembered_collection(name)
        return self._shown(collection, state, names, *self._ask(collection, state))

    def _shown(
        self,
        collection: Collection,
        state: SearchState,
        names: tuple[str, ...],
        answer: SearchAnswer | None,
        problem: Problem | None,
    ) -> SearchPage:
        hits = answer.hits if answer else ()
        return SearchPage(
            home=False,
            names=names,
            collection=collection,
            state=state,
            standing=standing(self._services, collection),
            controls=controls_of(collection, state, self._choices(collection, state, hits)),
            active=active_filters(state),
            answer=answer,
            hits=tuple(self._view(hit, collection, state) for hit in hits),
            problem=problem,
            modalities=self._modalities(collection),
            query_limit_tokens=self._limit(collection) if answer and answer.query_truncated else 0,
        )

    def _choices(self, collection: Collection, state: SearchState, hits: Sequence[Hit]) -> dict[str, tuple[str, ...]]:
        """Tag values to offer: those of the nearest documents without any filter, so that they stay when one is ticked;
        and frequent ones of the collection, where there are few (kinds, states) or nothing was asked yet.
        """
        known = self._suggestions.of(collection)
        if not known:
            return {}
        if state.query and (state.filters or state.page > 1):
            answer, _ = self._ask(collection, SearchState(state.query))
            hits = answer.hits if answer else ()
        near = suggest_tags(collection, (hit.metadata for hit in hits))
        return {
            name: (*near.get(name, ()), *(values if len(values) <= MAX_CHOICES or not near.get(name) else ()))
            for name, values in known.items()
        }

    def _ask(self, collection: Collection, state: SearchState) -> tuple[SearchAnswer | None, Problem | None]:
        if not state.query:
            return None, None
        try:
            wanted = filter_from_args(state.filter_args(), collection)
            request = SearchRequest(query=state.query, limit=PAGE_SIZE, offset=state.offset, filter=wanted)
            return web_state().search(collection, request), None
        except NearfieldError as error:  # the box keeps what was typed; the reason stands where the hits would
            return None, current_problem(error)

    def _view(self, hit: Hit, collection: Collection, state: SearchState) -> HitView:
        has_thumbnail = self._services.documents.has_thumbnail(collection.id, hit.text_hash)
        thumbnail = thumbnail_address(hit) if has_thumbnail else ""
        is_heard = "audio" in self._modalities(collection)
        href, download = hit_address(hit, state.query), download_address(hit) if is_heard else ""
        return hit_view(hit, collection, state, href, thumbnail=thumbnail, download=download)

    def _modalities(self, collection: Collection) -> tuple[str, ...]:
        try:
            return self._services.models.spec(collection.model).modalities
        except NearfieldError:  # a model that is gone; what is said of it stands where the hits would
            return ("text",)

    def _limit(self, collection: Collection) -> int:
        return self._services.models.spec(collection.model).max_tokens
