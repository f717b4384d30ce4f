"""Refusals, wrong answers and half of the answers: nothing wrong is used, nothing is paid for twice."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import numpy as np
import pytest

from services.embedding.hash_embedder import HashEmbedder
from services.embedding.options import LoadOptions
from services.embedding.providers import calls
from services.embedding.registry import ModelRegistry
from services.errors import ModelError, NearfieldError, Unavailable
from tests.providers import (
    DIM,
    KEY,
    Act,
    ProviderServer,
    after,
    answer_for,
    good,
    raw,
    saying,
    status,
)
from tests.unit.embedding.providers.loading import NAMES, load


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
