"""The web application for tests: on the test's own Redis pair, with the hash model, worked off on demand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.doorbell import SilentDoorbell
from services.ingest.pipeline.drain import IngestPipeline
from services.redis_clients import BULK
from services.settings import Settings, load_settings
from services.wiring import Services, build_services
from tests.conftest import RedisPair
from web.app import create_app

DRAIN_LIMIT_S = 120.0
PROBLEM_TYPE = "application/problem+json"
V1 = "/api/v1"


@dataclass
class Api:
    """An application and a client that speaks JSON."""

    app: flask.Flask
    client: FlaskClient
    services: Services
    settings: Settings

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        """One request under /api/v1; ``body`` goes as JSON unless it is bytes."""
        headers = more.pop("headers", {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        return self.client.open(V1 + path, method=method, data=body, headers=headers, **more)

    def collection(self, name: str = "docs", **members: Any) -> dict[str, Any]:
        """A new collection."""
        answer = self.call("POST", "/collections", {"name": name, **members})
        assert answer.status_code == 201, answer.text
        return dict(answer.get_json())

    def add(self, name: str, documents: Any, **more: Any) -> dict[str, Any]:
        """Adds documents; they are not yet worked off."""
        answer = self.call("POST", f"/collections/{name}/documents", documents, **more)
        assert answer.status_code == 202, answer.text
        return dict(answer.get_json())

    def drain(self, name: str = "docs") -> None:
        """Works off what a collection has waiting, as a worker would."""
        collection = self.services.collections.get(name)
        pipeline = IngestPipeline(self.services)
        deadline = time.monotonic() + DRAIN_LIMIT_S
        while self.services.ledger.in_flight(collection.id):
            pipeline.drain(collection.id, budget_s=30.0)
            assert time.monotonic() < deadline, "documents are still in flight"


@contextmanager
def make_api(pair: RedisPair, folder: Path, **overrides: Any) -> Iterator[Api]:
    """The application over ``pair``, its data in ``folder``."""
    settings = load_settings(
        {},
        data_dir=folder,
        ledger_url=pair.ledger.url,
        index_url=pair.index.url,
        **{"model": "hash", "demo": False, **overrides},
    )
    services = build_services(settings, doorbell=SilentDoorbell(), profile=BULK)
    services.jobs.prepare()
    app = create_app(services, settings)
    try:
        yield Api(app, app.test_client(), services, settings)
    finally:
        for client in (services.ledger_client, services.index_client, services.collections._client):
            client.connection_pool.disconnect()


def problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Checks that an answer is a problem of that status and code and has its whole shape; returns it."""
    assert answer.content_type == PROBLEM_TYPE, (answer.status, answer.text[:500])
    found: dict[str, Any] = answer.get_json()
    assert (answer.status_code, found["code"]) == (status, code), found
    assert found["status"] == status
    assert found["type"] == f"urn:nearfield:error:{code}"
    assert found["title"]
    assert found["request_id"] == answer.headers["X-Request-ID"]
    assert isinstance(found["retryable"], bool)
    assert 15 < len(found["detail"]) < 700
    assert "Traceback" not in answer.text
    return found
