"""The OpenAPI 3.1 document: made once from the declared routes, so it says what the routes enforce."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter

from web.endpoint import API_PREFIX, Answer, Endpoint
from web.errors import PROBLEM_TYPE
from web.idempotency import HEADER as IDEMPOTENCY_HEADER
from web.idempotency import MAX_KEY_CHARS
from web.openai_api.shapes import OpenAIErrorShape
from web.shapes import ProblemShape

OPENAPI_VERSION = "3.1.0"
_REF = "#/components/schemas/{model}"
_SUFFIX = "Shape"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_PATH_DESCRIPTIONS = {
    "name": "The collection's name",
    "document_id": "The document's id, percent-encoded ('/' as %2F)",
    "job_id": "The job's id",
    "source": "The source's name",
    "model": "The model's name, percent-encoded",
    "training_id": "The training's id",
    "model_id": "The model's id",
}
_DESCRIPTION = """Collections hold documents; documents are made searchable by jobs; searches find them by meaning.

Every error is `application/problem+json` with a stable `code`, a `detail` that says what to do next and, where one
part of the request is at fault, a `pointer`; below `/v1`, where programs written for OpenAI ask, it has OpenAI's shape.
Unknown members and parameters are refused. Lists have a `next_cursor`.
Adding documents is answered with 202 as soon as they are safely stored; an `Idempotency-Key` makes it safe to
repeat."""


def build_document(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The whole document as plain JSON values."""
    schemas = _Schemas()
    problem = schemas.reference(ProblemShape)
    paths: dict[str, dict[str, Any]] = {}
    tags: list[str] = []
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.rule)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schemas, problem)
        if endpoint.tag not in tags:
            tags.append(endpoint.tag)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "Nearfield", "version": version, "description": _DESCRIPTION},
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.components.items()))},
    }


class _Schemas:
    """Turns types into JSON schemas; named ones are kept once, under components."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def reference(self, shape: Any) -> dict[str, Any]:
        """The schema of a type, with its definitions moved to the components."""
        schema: dict[str, Any] = _public(TypeAdapter(shape).json_schema(ref_template=_REF))
        for name, definition in schema.pop("$defs", {}).items():
            self.components[name.removesuffix(_SUFFIX)] = definition
        title = schema.get("title")
        if title is None:  # a union or list: nothing to name
            return schema
        self.components[title] = schema
        return {"$ref": _REF.format(model=title)}


def _public(schema: Any) -> Any:
    """The schema with the names that the code gives its shapes shortened to what they stand for."""
    if isinstance(schema, dict):
        return {
            key: value.removesuffix(_SUFFIX) if key in ("$ref", "title") and isinstance(value, str) else _public(value)
            for key, value in schema.items()
        }
    return [_public(item) for item in schema] if isinstance(schema, list) else schema


def _operation(endpoint: Endpoint, schemas: _Schemas, problem: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "operationId": endpoint.view.__name__,
        "summary": endpoint.summary,
        "description": " ".join((endpoint.view.__doc__ or "").split()),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, schemas, problem),
    }
    bodies = dict(endpoint.other_bodies)
    if endpoint.body is not None:
        bodies["application/json"] = endpoint.body
    if bodies:
        operation["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": schemas.reference(shape)} for media_type, shape in bodies.items()},
        }
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_DESCRIPTIONS[name],
            "schema": {"type": "string"},
        }
        for name in _PARAMETER.findall(endpoint.rule)
    ]
    parameters.extend(_query_parameters(endpoint.query))
    if endpoint.idempotent:
        parameters.append(
            {
                "name": IDEMPOTENCY_HEADER,
                "in": "header",
                "description": "The same key and content again gets the first answer again; remembered for a day",
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
            }
        )
    return parameters


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": member.pop("description", ""),
            "schema": member,
        }
        for name, member in schema.get("properties", {}).items()
    ]


def _responses(endpoint: Endpoint, schemas: _Schemas, problem: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in endpoint.answers:
        known = responses.setdefault(str(answer.status), {"description": answer.description, "content": {}})
        known["content"][answer.media_type] = _content(answer, schemas)
    for status in sorted(_error_statuses(endpoint)):
        content = {PROBLEM_TYPE: {"schema": problem}}
        if endpoint.rule.startswith("/v1/"):
            content = {"application/json": {"schema": schemas.reference(OpenAIErrorShape)}}
        known = responses.setdefault(str(status), {"description": HTTPStatus(status).phrase, "content": {}})
        known["content"].update(content)
    return responses


def _content(answer: Answer, schemas: _Schemas) -> dict[str, Any]:
    if answer.shape is None:
        return {"schema": {"type": "string"}}
    return {"schema": schemas.reference(answer.shape)}


def _error_statuses(endpoint: Endpoint) -> set[int]:
    """What a route can answer beside its own: refused hosts and malformed input, and the store being away."""
    statuses = {*endpoint.errors, 400}
    if endpoint.rule.startswith(API_PREFIX):
        statuses |= {422, 500, 503}
    if endpoint.method not in ("GET", "HEAD"):
        statuses |= {403}
    if endpoint.body is not None or endpoint.other_bodies:
        statuses |= {413, 415}
    return statuses
