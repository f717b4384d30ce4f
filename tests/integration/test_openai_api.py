"""``/v1``: what it takes, what it refuses, and how it shares the processor."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ConfigDict, TypeAdapter
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from cli.api_errors import ApiProblem
from cli.embedding.sources import Remote
from cli.transport import Transport
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.providers import calls
from tests.apiapp import Api, make_api
from tests.conftest import RedisPair
from tests.models import build_tiny_model
from tests.providers import DIM, KEY, provider_server, status
from web.openai_api import embeddings as routes
from web.openai_api import shapes


@pytest.fixture
def api(redis_pair: RedisPair, tmp_path: Path) -> Iterator[Api]:
    with make_api(redis_pair, tmp_path) as made:
        yield made


def post(api: Api, body: Any, **headers: str) -> TestResponse:
    """``body`` goes as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.client.post("/v1/embeddings", data=data, headers={"Content-Type": "application/json", **headers})


def error(answer: TestResponse, status: int, code: str, param: str | None = None) -> str:
    """Checks that an answer is an error of OpenAI's shape; returns its message."""
    assert answer.status_code == status, answer.text
    found = strict(shapes.OpenAIErrorShape).validate_python(answer.get_json())["error"]
    assert (found["code"], found["param"]) == (code, param), found
    assert found["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    return str(found["message"])


def strict(shape: Any) -> Any:
    for found in vars(shapes).values():
        if isinstance(found, type) and hasattr(found, "__total__"):
            found.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[attr-defined]
    return TypeAdapter(shape)


def vectors(answer: TestResponse) -> Any:
    assert answer.status_code == 200, answer.text
    found = strict(shapes.EmbeddingsShape).validate_python(answer.get_json())
    return np.asarray([item["embedding"] for item in found["data"]])


def test_a_text_and_a_list_of_texts(api: Api) -> None:
    texts = ["tea", "coffee"]
    expected = HashEmbedder().embed_documents(texts)
    np.testing.assert_allclose(vectors(post(api, {"model": "hash", "input": texts})), expected, atol=1e-6)
    np.testing.assert_allclose(vectors(post(api, {"model": "hash", "input": "tea"})), expected[:1], atol=1e-6)
    answer = post(api, {"model": "hash", "input": texts, "encoding_format": "base64"}).get_json()
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in answer["data"]]
    np.testing.assert_array_equal(decoded, expected)


def test_models_are_listed_in_openais_shape(api: Api) -> None:
    listed = strict(shapes.OpenAIModelsShape).validate_python(api.client.get("/v1/models").get_json())
    assert listed["data"][0]["id"] == "hash"
    one = strict(shapes.OpenAIModelShape).validate_python(api.client.get("/v1/models/all-MiniLM-L6-v2").get_json())
    assert one["id"] == "all-MiniLM-L6-v2"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "malformed-json", None),
        (b"{", "malformed-json", None),
        (b"[]", "not-an-object", None),
        (b'{"model": "hash", "input": "\\ud83d"}', "lone-surrogate", "input"),
        (b'{"model": "hash", "input": ["a", "\\udc00b"]}', "lone-surrogate", "input[1]"),
        ({"model": "hash"}, "missing-member", "input"),
        ({"input": "tea"}, "missing-member", "model"),
        ({"model": 7, "input": "tea"}, "wrong-type", "model"),
        ({"model": "hash", "input": "tea", "speed": 3}, "unknown-member", "speed"),
        ({"model": "hash", "input": ""}, "empty-text", "input"),
        ({"model": "hash", "input": ["a", " \n"]}, "empty-text", "input[1]"),
        ({"model": "hash", "input": []}, "invalid-input", "input"),
        ({"model": "hash", "input": ["a"] * 2049}, "invalid-input", "input"),
        ({"model": "hash", "input": None}, "invalid-input", "input"),
        ({"model": "hash", "input": {"a": 1}}, "invalid-input", "input"),
        ({"model": "hash", "input": ["a", None]}, "invalid-input", "input[1]"),
        ({"model": "hash", "input": [1, 2, 3]}, "tokens-not-read", "input[0]"),
        ({"model": "hash", "input": [[1, 2]]}, "tokens-not-read", "input[0]"),
        ({"model": "hash", "input": "a", "encoding_format": "hex"}, "not-allowed", "encoding_format"),
        ({"model": "hash", "input": "a", "dimensions": 0}, "out-of-range", "dimensions"),
        ({"model": "hash", "input": "a", "dimensions": 8}, "bad-dimensions", "dimensions"),
        ({"model": "hash", "input": "a", "input_type": "poem"}, "not-allowed", "input_type"),
    ],
)
def test_bad_requests_are_400(api: Api, body: Any, code: str, param: str | None) -> None:
    answer = post(api, body)
    message = error(answer, 400, code, param)
    assert 15 < len(message) < 700
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("name", ["", "gpt-5", "/etc", "org/model", "../hash", "openai:gpt", "x" * 1000])
def test_only_offered_models_are_loaded(api: Api, name: str) -> None:
    error(post(api, {"model": name, "input": "tea"}), 404, "model_not_found", "model")


def test_what_the_front_door_refuses_has_openais_shape_too(api: Api) -> None:
    good = {"model": "hash", "input": "tea"}
    error(post(api, good, Host="evil.example"), 400, "host-not-allowed", "Host")
    error(post(api, good, Origin="https://evil.example"), 403, "cross-site-request", "Origin")
    error(post(api, b"x", **{"Content-Type": "text/plain"}), 415, "unsupported-media-type", "Content-Type")
    error(api.client.get("/v1/embeddings"), 405, "method-not-allowed")
    error(api.client.get("/v1/models/none"), 404, "model_not_found", "model")
    error(api.client.post("/v1/completions"), 404, "no-such-route")


def test_a_body_over_the_limit_is_413(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MAX_BODY_BYTES", 2048)
    assert post(api, {"model": "hash", "input": "a" * 1900}).status_code == 200
    message = error(post(api, {"model": "hash", "input": "a" * 3000}), 413, "too-large")
    assert "2,048" in message


def test_ten_megabytes_without_a_blank_are_cut(api: Api) -> None:
    answer = post(api, {"model": "hash", "input": ["x" * 10_000_000, "word " * 2_000_000]})
    assert vectors(answer).shape == (2, DIM)
    assert answer.get_json()["usage"]["prompt_tokens"] == 1 + 256


def test_large_requests_go_through_the_model_in_pieces(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    model = api.services.models.load("hash")
    plain = model.embed_documents

    def counted(texts: Sequence[str]) -> Any:
        sizes.append(len(texts))
        return plain(texts)

    monkeypatch.setattr(model, "embed_documents", counted)
    texts = [f"text {number}" for number in range(300)]
    np.testing.assert_allclose(vectors(post(api, {"model": "hash", "input": texts})), plain(texts), atol=1e-6)
    assert sizes == [64, 64, 64, 64, 44]


def test_what_is_too_much_at_once_is_told_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    model = api.services.models.load("hash")
    plain, begun, go_on = model.embed_documents, threading.Semaphore(0), threading.Event()

    def slow(texts: Sequence[str]) -> Any:
        begun.release()
        go_on.wait(20)
        return plain(texts)

    monkeypatch.setattr(model, "embed_documents", slow)
    slots = routes.EmbeddingSlots(2, 24, wait_s=0.05)
    api.app.extensions[routes.SLOTS_KEY] = slots
    answers: list[TestResponse] = []

    def ask() -> None:
        answers.append(api.app.test_client().post("/v1/embeddings", json={"model": "hash", "input": "tea"}))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    refused = post(api, {"model": "hash", "input": "tea"})
    go_on.set()
    for thread in threads:
        thread.join(20)
    error(refused, 503, "overloaded")
    assert refused.headers["Retry-After"] == str(routes.RETRY_AFTER_S)
    assert refused.headers["x-should-retry"] == "true"
    assert [answer.status_code for answer in answers] == [200, 200]
    assert post(api, {"model": "hash", "input": "tea"}).status_code == 200


def test_the_role_decides_how_texts_are_embedded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    model = api.services.models.load("hash")
    documents = model.embed_documents(["tea"])
    monkeypatch.setattr(model, "embed_queries", lambda texts: -model.embed_documents(texts))
    for more, expected in (
        ({}, documents),
        ({"input_type": "document"}, documents),
        ({"input_type": "query"}, -documents),
    ):
        np.testing.assert_allclose(vectors(post(api, {"model": "hash", "input": "tea", **more})), expected, atol=1e-6)


def test_fewer_numbers_of_a_transformer_are_those_of_the_model_that_is_cut(api: Api, tmp_path: Path) -> None:
    build_tiny_model(tmp_path / "models")
    body = {"model": "tiny", "input": "tea", "dimensions": 4}
    found = vectors(post(api, body))
    assert found.shape == (1, 4)
    np.testing.assert_allclose(found, api.services.models.load("tiny?dim=4").embed_documents(["tea"]), atol=1e-5)
    for model in ("tiny?dim=4", "tiny?dim=8"):
        np.testing.assert_allclose(vectors(post(api, {**body, "model": model})), found, atol=1e-5)
    message = error(post(api, {**body, "dimensions": 13}), 400, "bad-dimensions", "dimensions")
    assert "12 numbers" in message
    assert "at most" in message


def test_the_command_asks_for_the_default_model_and_for_no_other(redis_pair: RedisPair, tmp_path: Path) -> None:
    with make_api(redis_pair, tmp_path, model="mfcc") as api:
        server = make_server("127.0.0.1", 0, api.app, threaded=True)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with (
                Transport(f"http://127.0.0.1:{server.server_port}", patience_s=5) as transport,
                pytest.raises(ApiProblem, match="not texts"),
            ):
                Remote(transport, "", "document").embed(["tea"])
        finally:
            server.shutdown()
            serving.join()
            server.server_close()


def test_models_of_providers_are_served_and_their_failures_told(redis_pair: RedisPair, tmp_path: Path) -> None:
    with provider_server() as server:
        more = {
            "openai_url": f"{server.root}/v1",
            "openai_key": KEY,
            "provider_models": f"openai:text-embedding-3-small={DIM}, openai:unknown-size",
        }
        with make_api(redis_pair, tmp_path, **more) as api:
            server.then(status(500, {"error": KEY}))
            listed = [model["id"] for model in api.client.get("/v1/models").get_json()["data"]]
            assert {"openai:text-embedding-3-small", "openai:unknown-size"} <= set(listed)
            body = {"model": "openai:text-embedding-3-small", "input": "tea", "dimensions": 16}
            found = vectors(post(api, body))
            whole = HashEmbedder().embed_documents(["tea"])[:, :16]
            np.testing.assert_allclose(found, whole / np.linalg.norm(whole), atol=1e-6)
            server.then(status(401, {"error": {"message": f"no such key: {KEY}"}}))
            message = error(post(api, {"model": "openai:unknown-size", "input": "tea"}), 503, "provider-refused")
            assert "no such key" in message
            server.then(*[status(503, Retry_After="30")] * calls.MAX_ATTEMPTS)
            answer = post(api, {"model": "openai:unknown-size", "input": "tea"})
            error(answer, 503, "provider-unavailable")
            assert answer.headers["Retry-After"] == "30"
            assert KEY not in message + answer.text + api.client.get("/readyz").text
