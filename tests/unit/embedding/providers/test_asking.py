"""What providers are asked, and that their answers become vectors."""

from __future__ import annotations

import numpy as np
import pytest

from services.embedding.directions import fixed_direction
from services.embedding.hash_embedder import HashEmbedder
from services.embedding.providers import embedder as embedder_module
from tests.providers import (
    DIM,
    KEY,
    ProviderServer,
    after,
)
from tests.unit.embedding.providers.loading import NAMES, load


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
