"""Providers that are slow, busy or away: what is asked again, and for how long."""

from __future__ import annotations

import socket
import time

import pytest

from services.embedding.options import LoadOptions
from services.embedding.providers import calls
from services.embedding.providers.options import Endpoint, KnownModel, ProviderOptions
from services.embedding.registry import ModelRegistry
from services.errors import Unavailable
from tests.providers import (
    DIM,
    Act,
    ProviderServer,
    after,
    raw,
    status,
)
from tests.unit.embedding.providers.loading import load


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
