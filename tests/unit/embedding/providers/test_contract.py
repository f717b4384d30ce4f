"""The embedder's contract on a provider. Here, because a name alone does not bring the provider's server along."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from services.embedding.options import LoadOptions
from services.embedding.protocol import Embedder
from services.embedding.registry import ModelRegistry
from tests.contract.test_embedder_contract import (  # noqa: F401 - collected here as well
    TEXTS,
    test_half_a_surrogate_pair_is_refused_by_position,
    test_no_texts_give_no_rows,
    test_one_string_is_not_a_list_of_letters,
    test_row_i_belongs_to_text_i_whatever_stands_around_it,
    test_shape_type_and_length_of_the_vectors,
    test_threads_may_call_at_once,
    test_tokens_are_counted_without_the_limit_and_the_special_ones,
    test_what_lies_beyond_the_limit_does_not_count,
)
from tests.providers import provider_server


@pytest.fixture(scope="module", params=["openai:m", "azure:m", "cohere:m"])
def registry(request: pytest.FixtureRequest) -> Iterator[tuple[ModelRegistry, str]]:
    with provider_server() as server:
        yield ModelRegistry(LoadOptions(providers=server.options(request.param))), request.param


@pytest.fixture
def embedder(registry: tuple[ModelRegistry, str]) -> Embedder:
    return registry[0].load(registry[1])


def test_loading_again_gives_the_same_vectors(registry: tuple[ModelRegistry, str]) -> None:
    models, name = registry
    first = models.load(name)
    again = ModelRegistry(models._options).load(name)
    assert again is not first
    assert again.spec == first.spec
    np.testing.assert_array_equal(again.embed_documents(TEXTS), first.embed_documents(TEXTS))
