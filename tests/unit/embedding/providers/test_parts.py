"""Names, estimates, limits and headers: the parts of providers that need no server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.embedding.options import LoadOptions
from services.embedding.providers.calls import retry_after_s
from services.embedding.providers.embedder import plan_requests
from services.embedding.providers.options import (
    Endpoint,
    KnownModel,
    ProviderOptions,
    clean_url,
    is_in_the_open,
    is_provider_name,
    parse_offered,
    split_name,
)
from services.embedding.providers.tokens import EstimatedTokens, cut
from services.embedding.providers.wire import Limits, Wire
from services.embedding.registry import ModelRegistry
from services.errors import ModelError

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("openai:text-embedding-3-small", ("openai", "text-embedding-3-small")),
        ("openai:nomic-embed-text:latest", ("openai", "nomic-embed-text:latest")),
        ("openai:BAAI/bge-m3", ("openai", "BAAI/bge-m3")),
        ("azure:my-deployment", ("azure", "my-deployment")),
        ("cohere:embed-v4.0", ("cohere", "embed-v4.0")),
        ("azure:a/b", None),
        ("openai:", None),
        ("openai:../x", None),
        ("openai:a/../b", None),
        ("openai:a//b", None),
        ("openai:a b", None),
        ("openai:a?b=c", None),
        ("openai:a\nb", None),
        ("openai:" + "x" * 129, None),
        ("mistral:m", None),
    ],
)
def test_names(name: str, parts: tuple[str, str] | None) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize("name", ["openai:../x", "azure:a/b", "cohere:m", "openai:m"])
def test_what_is_no_name_or_not_configured_is_an_unknown_model(name: str) -> None:
    assert is_provider_name(name)
    with pytest.raises(ModelError) as unknown:
        ModelRegistry(LoadOptions()).spec(name)
    assert unknown.value.code == "unknown-model"


def test_only_models_of_configured_providers_are_offered() -> None:
    offered = parse_offered("openai:a=8, cohere:b=8,azure:c")
    options = ProviderOptions(cohere=Endpoint("http://h"), offered=offered)
    assert options.names() == ("cohere:b",)
    assert "cohere:b" in ModelRegistry(LoadOptions(providers=options)).names()
    assert "openai:a" not in ModelRegistry(LoadOptions(providers=options)).names()


def test_offered_models_are_read() -> None:
    text = "openai:text-embedding-3-small, openai:a:b/c=768/2048, cohere:x=8//0.5 ,azure:y="
    assert parse_offered(text) == (
        ("openai:text-embedding-3-small", KnownModel(1536, 8191, 0.02, shortens=True)),
        ("openai:a:b/c", KnownModel(768, 2048)),
        ("cohere:x", KnownModel(8, 512, 0.5)),
        ("azure:y", KnownModel()),
    )


@pytest.mark.parametrize(
    "text", ["gpt", "openai:a=x", "openai:a=1/2/3/4", "openai:a=-1", "openai:a=99999", "cohere:a=8/0"]
)
def test_what_is_no_offered_model_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("=")[0]):
        parse_offered(f"openai:good=8,{text}")


@pytest.mark.parametrize(
    "url", ["", "h", "ftp://h", "http://", "http://u:secret@h", "http://h?key=secret", "http://h#a", "http://h:x"]
)
def test_what_is_no_base_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="not a base URL") as refused:
        clean_url(url)
    assert "secret" not in str(refused.value)


def test_a_base_url_loses_its_slash() -> None:
    assert clean_url("https://h:1/v1/") == "https://h:1/v1"


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://api.example.org/v1", False),
        ("http://127.0.0.1:11434/v1", False),
        ("http://[::1]:8080/v1", False),
        ("http://localhost/v1", False),
        ("http://10.0.0.7:11434/v1", True),
        ("http://127.example.org/v1", True),
    ],
)
def test_plain_http_to_another_machine_is_known(url: str, readable: bool) -> None:
    assert is_in_the_open(url) is readable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 2026 12:00:20 GMT", 20.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:20", 20.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("²", None),
        ("9" * 40, None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, NOW) == seconds


@given(st.text(max_size=300), st.integers(1, 40))
def test_a_cut_text_is_a_beginning_within_the_limit(text: str, limit: int) -> None:
    tokens = EstimatedTokens()
    short = cut(text, limit)
    assert text.startswith(short)
    assert tokens.count(short) <= limit
    assert short == text or tokens.count(text) > limit or tokens.count(text) == tokens.count(short)


def test_the_estimate_is_above_what_byte_pairs_make() -> None:
    """cl100k_base makes 10 tokens of the first text and 9 of the second."""
    tokens = EstimatedTokens()
    assert tokens.count("The quick brown fox jumps over the lazy dog.") >= 10
    assert tokens.count("お元気ですか") >= 6
    assert tokens.count("x" * 4000) == 1000


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 9), st.integers(1, 60))
def test_requests_hold_every_text_once_within_the_limits(counts: list[int], texts: int, tokens: int) -> None:
    requests = list(plan_requests(counts, Limits(texts, tokens)))
    assert [number for request in requests for number in request] == list(range(len(counts)))
    for request in requests:
        assert 1 <= len(request) <= texts
        assert len(request) == 1 or sum(counts[number] for number in request) <= tokens


def test_limits_are_those_of_the_provider() -> None:
    assert Wire("cohere", "m", Endpoint("https://api.cohere.com")).limits.texts == 96
    assert Wire("openai", "m", Endpoint("https://api.openai.com/v1")).limits.texts == 256
    assert Wire("openai", "m", Endpoint("http://api.openai.com.evil/v1")).limits.texts == 32
