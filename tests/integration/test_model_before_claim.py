"""A model that takes long to load costs no document an attempt: it is loaded before anything is in hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from services.ingest.values import TextInput
from tests.conftest import RedisPair
from tests.integration.pipeline_tools import make_workshop


def test_nothing_is_in_hand_while_the_model_loads(
    redis_pair: RedisPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_workshop(redis_pair, tmp_path)
    shop.services.acceptor.add_texts(shop.collection, [TextInput("a", "some words")])
    states: list[dict[str, str]] = []
    load = ModelRegistry.load

    def watched(registry: ModelRegistry, name: str) -> Embedder:
        states.append(shop.states())
        return load(registry, name)

    monkeypatch.setattr(ModelRegistry, "load", watched)
    shop.pipeline().drain(shop.collection.id)
    assert states[0] == {"a": "pending"}
    assert shop.states() == {"a": "ready"}


def test_a_model_that_cannot_be_loaded_is_told_to_the_documents(
    redis_pair: RedisPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_workshop(redis_pair, tmp_path)
    shop.services.acceptor.add_texts(shop.collection, [TextInput("a", "some words")])

    def broken(registry: ModelRegistry, name: str) -> Embedder:
        raise RuntimeError("a runtime fell over")

    monkeypatch.setattr(ModelRegistry, "load", broken)
    shop.pipeline().drain(shop.collection.id)
    assert shop.record("a").attempts == 1
    assert shop.record("a").state.value == "pending"  # to be tried again
