"""Providers, well behaved and not, over real sockets."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.embedding.directions import fixed_direction
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.options import LoadOptions
from services.embedding.providers import calls
from services.embedding.providers import embedder as embedder_module
from services.embedding.providers.embedder import ProviderEmbedder
from services.embedding.providers.options import Endpoint, KnownModel, ProviderOptions
from services.embedding.registry import ModelRegistry
from services.errors import ModelError, NearfieldError, Unavailable
from tests.providers import (
    DIM,
    KEY,
    Act,
    Asked,
    Handler,
    ProviderServer,
    after,
    answer_for,
    good,
    provider_server,
    raw,
    saying,
    status,
)

NAMES = ("openai:test-embed", "azure:test-embed", "cohere:test-embed")


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with provider_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)


def load(server: ProviderServer, name: str = NAMES[0], **more: Any) -> ProviderEmbedder:
    options = server.options(**{"queries_s": 2.0, "documents_s": 2.0, **more})
    loaded = ModelRegistry(LoadOptions(providers=options)).load(name)
    assert isinstance(loaded, ProviderEmbedder)
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_texts_become_vectors(server: ProviderServer, name: str) -> None:
    model = load(server, name)
    assert server.asked == []
    texts = ["tea with milk", "", "coffee", " \n", "tea with milk"]
    vectors = model.embed_documents(texts)
    expected = HashEmbedder().embed_documents(texts)
    np.testing.assert_allclose(vectors[[0, 2, 4]], expected[[0, 2, 4]], atol=1e-6)
    np.testing.assert_array_equal(vectors[1], fixed_direction(DIM).astype(np.float32))
    np.testing.assert_array_equal(vectors[1], vectors[3])
    assert server.texts() == [["tea with milk", "coffee"]]
    assert model.usage() == embedder_module.Usage(1, 2, 7, 7 * 0.02 / 1e6)


def test_each_provider_is_asked_in_its_own_way(server: ProviderServer) -> None:
    for name in NAMES:
        load(server, name).embed_documents(["one"])
        load(server, name).embed_queries(["one"])
    asked = server.asked
    assert [each.path for each in asked] == [
        *["/v1/embeddings"] * 2,
        *["/openai/deployments/test-embed/embeddings?api-version=2024-10-21"] * 2,
        *["/v2/embed"] * 2,
    ]
    assert asked[0].body == {"model": "test-embed", "input": ["one"], "encoding_format": "float"}
    assert asked[2].body == {"input": ["one"], "encoding_format": "float"}
    assert [asked[4].body["input_type"], asked[5].body["input_type"]] == ["search_document", "search_query"]
    assert asked[4].body["embedding_types"] == ["float"]
    assert [asked[0].headers["authorization"], asked[4].headers["authorization"]] == [f"Bearer {KEY}"] * 2
    assert asked[2].headers["api-key"] == KEY
    assert "authorization" not in asked[2].headers


def test_a_server_without_a_key_gets_none(server: ProviderServer) -> None:
    load(server, key="").embed_queries(["one"])
    assert "authorization" not in server.asked[0].headers


def test_many_texts_go_in_requests_of_the_providers_size_a_few_at_once(server: ProviderServer) -> None:
    server.otherwise = after(0.05)
    model = load(server)
    texts = [f"text {number}" for number in range(300)]
    vectors = model.embed_documents(texts)
    np.testing.assert_allclose(vectors, HashEmbedder().embed_documents(texts), atol=1e-6)
    assert sorted(map(len, server.texts())) == [12, *[32] * 9]
    assert 1 < server.most_at_once <= 4
    assert model.usage().requests == 10


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(server: ProviderServer, code: int) -> None:
    server.then(status(code), status(code, b"<html>busy</html>"))
    assert load(server).embed_queries(["tea"]).shape == (1, DIM)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "broken",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"),
        raw(b""),
        raw(b"not HTTP at all\r\n\r\n"),
    ],
    ids=["cut-off", "closed", "no-http"],
)
def test_a_broken_connection_is_asked_again(server: ProviderServer, broken: Act) -> None:
    server.then(broken)
    assert load(server).embed_queries(["tea"]).shape == (1, DIM)
    assert len(server.asked) == 2


def test_retry_after_is_kept(server: ProviderServer) -> None:
    server.then(status(429, Retry_After="1"))
    load(server).embed_queries(["tea"])
    assert server.asked[1].at_s - server.asked[0].at_s >= 1.0


def test_a_provider_that_is_busy_for_long_is_left_alone_and_said_to_be(server: ProviderServer) -> None:
    server.otherwise = status(429, {"error": {"message": "slow down"}}, Retry_After="3600")
    model = load(server)
    with pytest.raises(Unavailable, match="slow down") as refused:
        model.embed_queries(["tea"])
    assert refused.value.code == "provider-unavailable"
    assert refused.value.retry_after_s == calls.LONGEST_HOLD_S
    with pytest.raises(Unavailable, match="slow down"):
        model.embed_documents(["tea"])
    assert len(server.asked) == 1, "it was asked although it said when to come again"


def test_a_provider_that_never_has_time_is_given_up(server: ProviderServer) -> None:
    server.otherwise = status(429)
    with pytest.raises(Unavailable, match="error 429, 5 times"):
        load(server).embed_queries(["tea"])
    assert len(server.asked) == calls.MAX_ATTEMPTS


def test_it_is_asked_again_when_the_pause_is_over(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "HOLD_S", 0.05)
    server.then(*[status(500)] * calls.MAX_ATTEMPTS)
    model = load(server)
    with pytest.raises(Unavailable):
        model.embed_queries(["tea"])
    time.sleep(0.06)
    assert model.embed_queries(["tea"]).shape == (1, DIM)


@pytest.mark.parametrize(
    "slow",
    [
        after(3.0),
        raw(*[b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", *[b"X-A: b\r\n"] * 60], pause_s=0.05),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", *[b" "] * 60, pause_s=0.05),
    ],
    ids=["silent", "dripping-headers", "dripping-body"],
)
def test_slowness_ends_at_the_deadline(server: ProviderServer, slow: Act) -> None:
    server.otherwise = slow
    model = load(server, queries_s=0.4)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        model.embed_queries(["tea"])
    assert time.monotonic() - began < 2.5


def test_nobody_there_is_said(server: ProviderServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = ProviderOptions(
        openai=Endpoint(f"http://127.0.0.1:{port}/v1"), offered=(("openai:m", KnownModel(4)),), queries_s=1.0
    )
    model = ModelRegistry(LoadOptions(providers=options)).load("openai:m")
    with pytest.raises(Unavailable, match="cannot be reached"):
        model.embed_queries(["tea"])


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 302])
def test_a_refusal_is_final_and_keeps_the_key_secret(server: ProviderServer, code: int) -> None:
    said = {"error": {"message": f"Incorrect API key provided: {KEY}\x1b[2J, {KEY[:6]}***y2. " + "x" * 9999}}
    server.otherwise = status(code, said, Location="http://127.0.0.1:1/")
    with pytest.raises(ModelError) as refused:
        load(server).embed_documents(["tea"])
    error = refused.value
    assert error.code == "provider-refused"
    assert f"status {code}: Incorrect API key provided: ***" in error.message
    assert KEY[:6] not in error.message
    assert KEY[-10:] not in error.message
    assert "\x1b" not in error.message
    assert len(error.message) < 700
    assert len(server.asked) == 1


def _first(change: Any) -> Act:
    """A right answer but for its first vector."""
    return saying(lambda asked: answer_for(asked, [change, *[[0.5] * DIM] * (len(asked.body["input"]) - 1)]))


WRONG: dict[str, tuple[Act, str]] = {
    "other dimension": (saying(lambda asked: answer_for(asked, [[0.1] * 3] * len(asked.body["input"]))), "3 numbers"),
    "ragged": (_first([0.5] * 9), "vector 1 has 64 numbers, the first one 9"),
    "a row too few": (saying(lambda asked: answer_for(asked, [[0.5] * DIM])), "1 vectors for 2 texts"),
    "no rows": (saying(lambda asked: answer_for(asked, [])), "0 vectors for 2 texts"),
    "NaN": (_first([float("nan")] * DIM), "NaN"),
    "infinity": (_first([1e999] * DIM), "infinity"),
    "huge integer": (_first([10**400] * DIM), "beyond all range"),
    "zero": (_first([0] * DIM), "no direction"),
    "strings": (_first(["0.5"] * DIM), "not a number"),
    "booleans": (_first([True] * DIM), "not a number"),
    "nulls": (_first([None] * DIM), "not a number"),
    "base64": (_first("AACAPwAAgD8="), "not a list of numbers"),
    "empty vector": (_first([]), "not a list of numbers"),
    "same index twice": (
        saying(lambda asked: {"data": [{"index": 0, "embedding": [0.5] * DIM}] * 2}),
        "does not number the texts",
    ),
    "index as text": (
        saying(lambda asked: {"data": [{"index": str(at), "embedding": [0.5] * DIM} for at in range(2)]}),
        "does not number the texts",
    ),
    "another object": (saying(lambda asked: {"result": "fine"}), "'data'"),
    "a list": (saying(lambda asked: [1, 2]), "not a JSON object"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_gives_no_vectors(server: ProviderServer, what: str) -> None:
    server.otherwise, said = WRONG[what]
    model = load(server)
    with pytest.raises(ModelError, match=said) as refused:
        model.embed_documents(["tea", "coffee"])
    assert refused.value.code == "provider-wrong-answer"
    assert len(server.asked) == 1
    assert model.usage().requests == 0


@pytest.mark.parametrize(
    "garbage",
    [b"<html>hello</html>", b"", b'{"data": [', b"\xff\xfe\x00", b"[" * 100_000],
    ids=["html", "empty", "cut-off", "bytes", "deep"],
)
def test_an_unreadable_answer_may_be_better_next_time(server: ProviderServer, garbage: bytes) -> None:
    server.then(status(200, garbage or b" "))
    model = load(server)
    with pytest.raises(Unavailable) as refused:
        model.embed_documents(["tea"])
    assert refused.value.code == "provider-bad-answer"
    assert model.embed_documents(["tea"]).shape == (1, DIM)


def test_an_endless_answer_is_not_read_to_its_end(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_ANSWER_BYTES", 100_000)
    server.then(raw(b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * 50_000] * 40))
    with pytest.raises(Unavailable, match="longer than 100,000 bytes"):
        load(server).embed_documents(["tea"])


def test_vectors_are_put_in_the_order_of_their_index(server: ProviderServer) -> None:
    def reversed_rows(asked: Any) -> Any:
        answer = answer_for(asked)
        answer["data"].reverse()
        return answer

    server.otherwise = saying(reversed_rows)
    texts = ["tea", "coffee", "water"]
    np.testing.assert_allclose(load(server).embed_documents(texts), HashEmbedder().embed_documents(texts), atol=1e-6)


def test_one_failing_request_ends_the_others(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 8.0)
    server.otherwise = status(500)
    server.then(after(0.3, status(401)))
    model = load(server, documents_s=30.0)
    with pytest.raises(ModelError, match="401"):
        model.embed_documents([f"text {number}" for number in range(320)])
    assert len(server.asked) <= 4, "what nobody wanted any more was asked again"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("provider_")]


def test_what_was_answered_before_a_failure_is_not_asked_again(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "HOLD_S", 0.01)
    server.otherwise = after(0.15)
    model = load(server, documents_s=0.5)
    texts = [f"text {number}" for number in range(20 * 32)]
    calls_made = 0
    while True:
        calls_made += 1
        try:
            vectors = model.embed_documents(texts)
        except Unavailable:
            assert calls_made < 20
            time.sleep(0.02)
        else:
            break
    assert calls_made > 1
    np.testing.assert_allclose(vectors, HashEmbedder().embed_documents(texts), atol=1e-6)
    assert model.usage().texts == len(texts)


def test_the_key_is_nowhere(server: ProviderServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    options = server.options(queries_s=1.0)
    registry = ModelRegistry(LoadOptions(providers=options))
    seen = [repr(options), repr(LoadOptions(providers=options)), str(options.openai)]
    server.then(good, status(500, {"error": KEY}), status(401, {"message": f"bad key {KEY}"}))
    for name in NAMES:
        model = registry.load(name)
        seen += [repr(model), repr(model.spec), repr(model.runtime), repr(vars(model))]
        try:
            model.embed_queries(["tea"])
        except NearfieldError as error:
            seen += [error.message, repr(error)]
    assert "7 tokens" in caplog.text
    for text in [*seen, caplog.text]:
        assert KEY not in text
        assert KEY[-10:] not in text


def test_text_beyond_the_limit_is_not_sent(server: ProviderServer) -> None:
    load(server).embed_documents(["x" * 10_000_000, "word " * 100_000, "東" * 5000])
    sent = server.texts()[0]
    assert list(map(len, sent)) == [2048, 5 * 512 - 1, 341]


def test_loading_and_describing_connects_to_nothing(server: ProviderServer) -> None:
    registry = ModelRegistry(LoadOptions(providers=server.options()))
    assert set(NAMES) <= set(registry.names())
    for name in NAMES:
        assert registry.spec(name).dim == DIM
        registry.load(name)
    assert server.asked == []


def test_an_unknown_dimension_is_asked_once_and_then_known_offline(tmp_path: Path) -> None:
    with provider_server() as server:
        options = server.options(dim=0)
        first = ModelRegistry(LoadOptions(providers=options, cache_dir=tmp_path)).spec(NAMES[0])
        assert first.dim == DIM
        assert len(server.asked) == 1
    again = ModelRegistry(LoadOptions(providers=options, cache_dir=tmp_path)).spec(NAMES[0])
    assert again == first
    assert again.fingerprint == first.fingerprint
    assert KEY not in "".join(path.read_text() for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize("kept", [True, False])
def test_where_a_dimension_cannot_be_kept_it_is_asked_once_by_a_process(
    server: ProviderServer, tmp_path: Path, kept: bool
) -> None:
    folder = tmp_path / "a file"
    folder.write_text("which can hold nothing")
    options = LoadOptions(providers=server.options(dim=0), cache_dir=folder if kept else None)
    for _ in range(3):
        assert ModelRegistry(options).spec(NAMES[0]).dim == DIM
    assert len(server.asked) == 1


def test_a_slow_provider_holds_up_the_questions_to_no_other(server: ProviderServer) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def late(handler: Handler, question: Asked) -> None:
        asked.set()
        go_on.wait(4)
        good(handler, question)

    registry = ModelRegistry(LoadOptions(providers=server.options(dim=0)))
    with provider_server() as other, ThreadPoolExecutor(1) as pool:
        server.then(late)
        slow = pool.submit(registry.spec, NAMES[0])
        try:
            assert asked.wait(4)
            assert ModelRegistry(LoadOptions(providers=other.options(dim=0))).spec(NAMES[0]).dim == DIM
            assert not slow.done()
        finally:
            go_on.set()
        assert slow.result().dim == DIM


def test_a_dimension_that_cannot_be_asked_is_an_error_of_the_model(server: ProviderServer, tmp_path: Path) -> None:
    server.otherwise = status(401, {"error": {"message": "no such key"}})
    registry = ModelRegistry(LoadOptions(providers=server.options(dim=0), cache_dir=tmp_path))
    for _ in range(2):
        with pytest.raises(ModelError, match=r"no such key.*NEARFIELD_PROVIDER_MODELS"):
            registry.spec(NAMES[0])
    assert len(server.asked) == 1, "a list of models asked a broken provider again and again"
    learned = tmp_path / "providers"
    assert not learned.exists()


def test_a_damaged_note_of_the_dimension_is_made_again(server: ProviderServer, tmp_path: Path) -> None:
    registry = ModelRegistry(LoadOptions(providers=server.options(dim=0), cache_dir=tmp_path))
    registry.spec(NAMES[0])
    (note,) = (tmp_path / "providers").iterdir()
    for damage in ("", "[]", '{"dim": 64}', json.dumps({"name": NAMES[0], "dim": "64"}), "[" * 99_999):
        note.write_text(damage)
        assert registry.spec(NAMES[0]).dim == DIM
        assert json.loads(note.read_text())["dim"] == DIM


def test_shorter_vectors_are_asked_for_where_the_provider_gives_them(server: ProviderServer) -> None:
    name = "openai:text-embedding-3-small"
    model = ModelRegistry(LoadOptions(providers=server.options(name))).load(name)
    model.embed_queries(["tea"])
    assert server.asked[0].body["dimensions"] == DIM
