"""The API document says what the API does: every route, every answer, every error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask_openapi.models import OpenAPISpec
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.apiapp import Api, make_api
from tests.conftest import RedisPair
from web import health_shapes, model_shapes, shapes
from web.app import ROUTERS
from web.endpoint import Endpoint
from web.errors import PROBLEM_TYPE
from web.openapi import build_document

ENDPOINTS = [endpoint for router in ROUTERS for endpoint in router.endpoints]
NOT_THE_API = {"/openapi.json", "/docs", "/docs/assets/<file_name>"}


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build_document(ENDPOINTS, "0")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_of_the_app_is_in_the_document(api: Api) -> None:
    served = api.client.get("/openapi.json").get_json()
    assert served["openapi"] == "3.1.0"
    routes = set()
    for rule in api.app.url_map.iter_rules():
        if rule.endpoint.startswith("pages.") or rule.rule in NOT_THE_API:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        routes |= {(path, method.lower()) for method in rule.methods or () if method not in ("HEAD", "OPTIONS")}
    assert routes == {(path, method) for path, method, _ in operations(served)}
    assert len(routes) > 20


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    OpenAPISpec.model_validate(document)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for member in value.values():
                yield from references(member)
        elif isinstance(value, list):
            for member in value:
                yield from references(member)

    found = set(references(document))
    assert len(found) > 15
    for reference in found:
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"], reference


def test_operations_are_named_once_and_described(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        in_path = set(re.findall(r"{(\w+)}", path))
        declared = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert declared == in_path, (path, method)
        assert all(parameter["description"] for parameter in operation["parameters"])


def test_every_error_of_every_operation_is_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        errors = {status for status in operation["responses"] if status >= "400"}
        assert "400" in errors, (path, method)
        for status in errors:
            if path == "/readyz" and status == "503":
                continue
            content = operation["responses"][status]["content"]
            if path.startswith("/v1/"):
                assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/OpenAIError"}
                continue
            assert content[PROBLEM_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}, (path, status)


def test_request_models_refuse_what_the_document_does_not_name(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("CollectionIn", "CollectionPatch", "ChunkingIn", "DocumentIn", "DocumentPut", "SearchIn"):
        assert schemas[name]["additionalProperties"] is False, name


def _strict(shape: Any) -> Any:
    """The same shape, refusing members it does not name, inside as well."""
    for found in (*vars(shapes).values(), *vars(health_shapes).values(), *vars(model_shapes).values()):
        if isinstance(found, type) and hasattr(found, "__total__"):
            found.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[attr-defined]
    return TypeAdapter(shape)


def _endpoint(method: str, rule: str) -> Endpoint:
    return next(e for e in ENDPOINTS if e.method == method and e.rule == rule)


def test_answers_are_what_the_document_says(api: Api) -> None:
    """Each kind of JSON answer, fetched for real and held against its declared shape, extra members refused."""
    name = "/api/v1/collections/<name>"
    one = f"{name}/documents/<docid:document_id>"
    calls: list[tuple[str, str, str, Any]] = [
        ("POST", "/api/v1/collections", "/collections", {"name": "docs", "fields": {"year": "number"}}),
        ("GET", "/api/v1/collections", "/collections", None),
        ("GET", name, "/collections/docs", None),
        ("PATCH", name, "/collections/docs", {"description": "new"}),
        (
            "POST",
            f"{name}/documents",
            "/collections/docs/documents",
            {"id": "a", "text": "tea", "metadata": {"year": 1}},
        ),
        ("PUT", one, "/collections/docs/documents/b", {"text": "coffee"}),
        ("GET", f"{name}/documents", "/collections/docs/documents", None),
        ("GET", one, "/collections/docs/documents/a", None),
        ("GET", f"{name}/search", "/collections/docs/search?q=tea", None),
        ("POST", f"{name}/search", "/collections/docs/search", {"query": "tea"}),
        ("GET", "/api/v1/rerankers", "/rerankers", None),
        ("GET", "/api/v1/jobs", "/jobs", None),
        ("POST", f"{name}/retry", "/collections/docs/retry", None),
        ("POST", f"{one}/retry", "/collections/docs/documents/a/retry", None),
        ("GET", "/api/v1/models", "/models", None),
        ("GET", "/api/v1/models/families", "/models/families", None),
        ("GET", "/api/v1/models/default", "/models/default", None),
        ("GET", "/api/v1/models/<path:model>", "/models/all-MiniLM-L6-v2", None),
        ("POST", "/api/v1/models/<path:model>/verify", "/models/all-MiniLM-L6-v2/verify", None),
        ("POST", "/api/v1/models/<path:model>/benchmark", "/models/hash/benchmark?seconds=1", None),
        ("POST", "/api/v1/models", "/models", {"name": "mine", "family": "tf-idf", "collection": "docs"}),
        ("GET", "/api/v1/models/trainings", "/models/trainings", None),
        ("DELETE", one, "/collections/docs/documents/b", None),
        ("DELETE", name, "/collections/docs", None),
    ]
    for number, (method, rule, path, body) in enumerate(calls):
        answer = api.call(method, path, body)
        declared = next(found for found in _endpoint(method, rule).answers if found.media_type == "application/json")
        assert answer.status_code == declared.status, (method, path, answer.text)
        _strict(declared.shape).validate_python(answer.get_json())
        if number == 5:
            api.drain()
    for path in ("/livez", "/readyz", "/version"):
        answer = api.client.get(path)
        declared = next(a for a in _endpoint("GET", path).answers if a.status == answer.status_code)
        _strict(declared.shape).validate_python(answer.get_json())


def test_the_shapes_are_held_strictly() -> None:
    """That the check above can fail."""
    with pytest.raises(ValidationError):
        _strict(health_shapes.AliveShape).validate_python({"status": "alive", "more": 1})
    with pytest.raises(ValidationError):
        _strict(shapes.CollectionsShape).validate_python({"items": [{}], "next_cursor": None})


def test_the_docs_page_needs_nothing_from_elsewhere(api: Api) -> None:
    page = api.client.get("/docs")
    assert page.content_type == "text/html; charset=utf-8"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script[^>]*>[^<]|<style|\son\w+=|https?://", page.text)
    files = re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', page.text)
    assert len(files) == 4
    for path in files:
        answer = api.client.get(path)
        assert answer.status_code == 200, path
        assert len(answer.data) > 100
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert ("javascript" if path.endswith(".js") else "css") in answer.content_type
    assert api.client.get("/docs/assets/..%2f__init__.py").status_code == 404
    assert api.client.get("/docs/assets/docs.html").status_code == 404
