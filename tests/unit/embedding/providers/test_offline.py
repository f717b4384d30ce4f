"""What is known of a provider's model without asking, and what is asked once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.embedding.options import LoadOptions
from services.embedding.registry import ModelRegistry
from services.errors import ModelError
from tests.providers import (
    DIM,
    KEY,
    Asked,
    Handler,
    ProviderServer,
    good,
    provider_server,
    status,
)
from tests.unit.embedding.providers.loading import NAMES, load


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
