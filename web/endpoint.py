"""How a route of the API is declared: once, with the models that are enforced and documented alike.

A route's query parameters and JSON body are validated before its function runs, against the very models that
``/openapi.json`` shows, so the document cannot promise something else than the code does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import flask

from web.body import read_json
from web.schemas import Body, NoQuery, Query
from web.validate import validate, validate_args

API_PREFIX = "/api/v1"
SMALL_BODY_BYTES = 1024 * 1024
SEARCH_FIELD_PREFIX = "f."

View = Callable[..., flask.Response]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers when all is well; ``shape`` is the type whose JSON schema describes the body, if any."""

    status: int
    description: str
    shape: Any = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one address.

    ``other_bodies`` maps further media types to the shape of one item; the view reads those itself.
    ``idempotent`` says that the route honours Idempotency-Key.
    """

    method: str
    rule: str
    tag: str
    summary: str
    answers: tuple[Answer, ...]
    errors: tuple[int, ...]
    query: type[Query]
    field_parameters: bool
    body: type[Body] | None
    body_limit: int
    other_bodies: Mapping[str, Any]
    idempotent: bool
    view: View


@dataclass(slots=True)
class Router:
    """Collects the routes of one part of the API and makes a Flask blueprint of them.

    ``tag`` is the heading they stand under in the API document; ``name`` tells two parts of one heading apart.
    """

    tag: str
    prefix: str = API_PREFIX
    name: str = ""
    endpoints: list[Endpoint] = field(default_factory=list)

    def route(
        self,
        method: str,
        rule: str,
        summary: str,
        *,
        answers: Answer | tuple[Answer, ...],
        errors: tuple[int, ...] = (),
        query: type[Query] = NoQuery,
        field_parameters: bool = False,
        body: type[Body] | None = None,
        body_limit: int = SMALL_BODY_BYTES,
        other_bodies: Mapping[str, Any] | None = None,
        idempotent: bool = False,
    ) -> Callable[[View], View]:
        """Declares a route. The view gets the path's parameters, ``query`` unless NoQuery, and ``body`` if declared."""

        def declare(view: View) -> View:
            listed = answers if isinstance(answers, tuple) else (answers,)
            checked = _checked(view, query, field_parameters, body, body_limit)
            self.endpoints.append(
                Endpoint(
                    method,
                    self.prefix + rule,
                    self.tag,
                    summary,
                    listed,
                    errors,
                    query,
                    field_parameters,
                    body,
                    body_limit,
                    other_bodies or {},
                    idempotent,
                    checked,
                )
            )
            return view

        return declare

    def blueprint(self) -> flask.Blueprint:
        """The routes as Flask knows them; view functions are named by method and rule."""
        blueprint = flask.Blueprint(f"api-{self.name or self.tag}", __name__)
        for endpoint in self.endpoints:
            name = f"{endpoint.method} {endpoint.rule}".replace(".", "_")
            blueprint.add_url_rule(endpoint.rule, name, endpoint.view, methods=[endpoint.method])
        return blueprint


def _checked(view: View, query: type[Query], field_parameters: bool, body: type[Body] | None, body_limit: int) -> View:
    passed_over = SEARCH_FIELD_PREFIX if field_parameters else ""

    @wraps(view)
    def run(**arguments: Any) -> flask.Response:
        request = flask.request
        if query is not NoQuery:
            arguments["query"] = validate_args(query, request.args, passed_over=passed_over)
        elif request.query_string:
            validate_args(query, request.args)
        if body is not None:
            arguments["body"] = validate(body, read_json(request, limit_bytes=body_limit))
        return view(**arguments)

    return run
