"""The list of collections, and the form that makes a new one."""

from __future__ import annotations

from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from services.collections.values import Collection
from services.errors import NearfieldError
from services.wiring import Services
from web.api.models import offered_spec, usable_specs
from web.errors import Problem
from web.pages.collection_form import CollectionForm, read_collection_form
from web.pages.errors import current_problem
from web.pages.links import manage_address
from web.pages.notices import notice
from web.pages.standing import Listed, standing
from web.state import web_state


class CollectionPages:
    """Views of the list of collections and of the form for a new one."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, blueprint: flask.Blueprint) -> None:
        """Adds the routes."""
        blueprint.add_url_rule("/collections", "collections", self.collections)
        blueprint.add_url_rule("/collections/new", "new_collection", self.new)
        blueprint.add_url_rule("/collections", "create_collection", self.create, methods=["POST"])

    def collections(self) -> str:
        """All collections by name."""
        listed = [Listed(found, standing(self._services, found)) for found in self._services.collections.list()]
        return flask.render_template("collections.html", listed=listed, notice=notice(flask.request.args))

    def new(self) -> str:
        """The empty form."""
        form = CollectionForm(model=self._services.installed.default.name(), name=flask.request.args.get("name", ""))
        return self._form(form)

    def create(self) -> Response | tuple[str, int]:
        """Makes the collection, or shows the form again with the reason why not."""
        form = read_collection_form(flask.request.form)
        try:
            created = self._create(form)
        except NearfieldError as error:
            problem = current_problem(error)
            return self._form(form, problem), problem.status
        return flask.redirect(manage_address(created.name, done="created"), HTTPStatus.SEE_OTHER)

    def _create(self, form: CollectionForm) -> Collection:
        spec = offered_spec(web_state(), form.model)
        created = self._services.collections.create(form.new_collection(spec))
        try:
            self._services.index.create(created)
        except NearfieldError:
            self._services.collections.delete(created.name)  # without an index every search in it would fail
            raise
        return created

    def _form(self, form: CollectionForm, problem: Problem | None = None) -> str:
        models = usable_specs(web_state())
        return flask.render_template("new_collection.html", form=form, models=models, problem=problem)
